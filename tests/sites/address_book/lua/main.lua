-- address_book: contacts with presenters, select options from lists, search as you type.

require("contacts.contact")
require("contacts.group")
require("contacts.presenter")
require("contacts.editor")

ContactApp = session:prototype("ContactApp", {
    title = "Contacts",
    _all = EMPTY,
    _groups = EMPTY,
    searchQuery = "",
    groupFilter = "", -- the name of a group; "" shows all
    order = "last",
    editor = EMPTY,
    selected = EMPTY,
    isEditView = false,
})

function ContactApp:new(instance)
    instance = session:create(ContactApp, instance or {})
    instance._all = instance._all or {}
    instance._groups = instance._groups or {}
    return instance
end

-- Lists ------------------------------------------------------------------------------------------------

local function before(key)
    return function(a, b)
        local x, y = a:sortKey(key), b:sortKey(key)
        return x < y or (x == y and a.email < b.email)
    end
end

-- What the list shows, made anew whenever it is asked for.
function ContactApp:contacts()
    local query = (self.searchQuery or ""):lower()
    local result = {}
    for _, contact in ipairs(self._all) do
        local inGroup = self.groupFilter == "" or contact.group == self.groupFilter
        if inGroup and contact:matches(query) then
            table.insert(result, contact)
        end
    end
    table.sort(result, before(self.order))
    return result
end

function ContactApp:groups() return self._groups end

-- The same with one in front that stands for all.
function ContactApp:groupChoices()
    local choices = { self._everyone }
    for _, group in ipairs(self._groups) do choices[#choices + 1] = group end
    return choices
end

function ContactApp:contactCount()
    local shown, all = #self:contacts(), #self._all
    if shown == all then return all .. (all == 1 and " contact" or " contacts") end
    return shown .. " of " .. all
end

function ContactApp:hasContacts() return #self:contacts() > 0 end
function ContactApp:noContacts() return not self:hasContacts() end
function ContactApp:isFiltered() return self.searchQuery ~= "" or self.groupFilter ~= "" end
function ContactApp:notFiltered() return not self:isFiltered() end

function ContactApp:emptyText()
    if self:isFiltered() then return "Nobody fits." end
    return "Nobody here yet."
end

function ContactApp:clearFilter()
    self.searchQuery = ""
    self.groupFilter = ""
end

-- Editing ----------------------------------------------------------------------------------------------

function ContactApp:isListView() return not self.isEditView end

function ContactApp:addContact()
    self.editor = ContactEditor:open(nil)
    self.isEditView = true
end

function ContactApp:editContact(contact)
    self.editor = ContactEditor:open(contact)
    self.isEditView = true
end

function ContactApp:closeEditor()
    self.editor = nil
    self.isEditView = false
end

-- Enter in the search field: the first one that fits.
function ContactApp:selectFirstContact()
    local contacts = self:contacts()
    if #contacts > 0 then self:editContact(contacts[1]) end
end

function ContactApp:deleteContact(contact)
    for i, c in ipairs(self._all) do
        if c == contact then
            table.remove(self._all, i)
            break
        end
    end
end

-- Start ------------------------------------------------------------------------------------------------

if not session.reloading then
    contactApp = ContactApp:new({
        _everyone = Group:new({ name = "Everyone", key = "" }),
        _groups = {
            Group:new({ name = "Family", key = "family" }),
            Group:new({ name = "Friends", key = "friends" }),
            Group:new({ name = "Work", key = "work" }),
        },
    })
    session:createAppVariable(contactApp)
    for line in string.gmatch([[
Ines,Moreau,ines@moreau.example,555-0110,family,Likes early mornings
Otto,Brandt,otto.brandt@mail.example,555-0111,work,
Pia,Brandt,pia@brandt.example,,friends,Has the spare key
Samir,Haddad,samir@haddad.example,555-0113,friends,
Tove,Aasen,tove@aasen.example,555-0114,work,Back in spring
Ugo,Conti,ugo@conti.example,,family,
]], "[^\n]+") do
        local first, last, email, phone, group, notes = line:match("^(.-),(.-),(.-),(.-),(.-),(.*)$")
        table.insert(contactApp._all, Contact:new({
            firstName = first, lastName = last, email = email, phone = phone, group = group, notes = notes,
        }))
    end
end
