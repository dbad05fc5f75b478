-- ContactEditor: copies of a contact's fields while they are edited.

ContactEditor = session:prototype("ContactEditor", {
    title = "",
    error = EMPTY,
    card = EMPTY, -- what is edited, to be shown small beside the form
    firstName = "",
    lastName = "",
    email = "",
    phone = "",
    group = "",
    notes = "",
    _contact = EMPTY,
})

local FIELDS = { "firstName", "lastName", "email", "phone", "group", "notes" }

function ContactEditor:open(contact)
    local editor = session:create(ContactEditor, { _contact = contact })
    editor.title = contact and "Edit contact" or "Add contact"
    editor.card = contact
    for _, field in ipairs(FIELDS) do
        editor[field] = contact and contact[field] or ""
    end
    return editor
end

function ContactEditor:check()
    local email = self.email
    if self.firstName:gsub("%s", "") == "" then return "The first name is missing." end
    if email == "" then return "The e-mail address is missing." end
    if not email:find("^[%w%.%-_+]+@[%w%-]+%.[%w%.%-]+$") then
        return "“" .. email .. "” is no e-mail address."
    end
    for _, other in ipairs(contactApp._all) do
        if other ~= self._contact and other.email:lower() == email:lower() then
            return other:fullName() .. " has this address already."
        end
    end
    return nil
end

function ContactEditor:save()
    self.error = self:check()
    if self.error then return end
    local contact = self._contact
    if not contact then
        contact = Contact:new({})
        table.insert(contactApp._all, contact)
    end
    for _, field in ipairs(FIELDS) do contact[field] = self[field] end
    contactApp:closeEditor()
end

function ContactEditor:cancel() contactApp:closeEditor() end
function ContactEditor:groups() return contactApp:groups() end
function ContactEditor:noError() return self.error == nil end
function ContactEditor:isNew() return self._contact == nil end
