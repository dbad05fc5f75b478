-- What can stand beside and around the contacts table: small presenters, each with a template of its
-- own. The page switches between them by setting a field; `ui-view` shows whichever is there.

local ContactForm = require("contact_form")

local panels = {}

--- Welcome: nobody is selected.
local Welcome = session:prototype("Welcome", { contacts = EMPTY })

function Welcome:new(contacts)
  return session:create(Welcome, { contacts = contacts })
end

--- ContactCard: everything about the selected contact.
local ContactCard = session:prototype("ContactCard", {
  contacts = EMPTY,
  contact = EMPTY,
  asking = false, -- whether it shall really be deleted
  opened = EMPTY, -- for its own sake, and not by walking past: a number, new each time, and the focus goes there
})

function ContactCard:new(contacts, contact, opened)
  return session:create(ContactCard, { contacts = contacts, contact = contact, opened = opened })
end

function ContactCard:edit() self.contacts:edit(self.contact) end
function ContactCard:ask() self.asking = true end
function ContactCard:keep() self.asking = false end
function ContactCard:remove() self.contacts:remove(self.contact) end
function ContactCard:close() self.contacts:closePanel() end

function ContactCard:mailLink() return "mailto:" .. self.contact.email end
function ContactCard:phoneLink() return "tel:" .. self.contact.phone:gsub("[^%d+]", "") end
function ContactCard:noPhone() return self.contact.phone == "" end
function ContactCard:noNote() return self.contact.note == "" end

--- Read without, written with a value: the check box's two directions.
function ContactCard:favourite(value)
  if value ~= nil then
    self.contact.favourite = value or nil
    self.contacts:changed()
  end
  return self.contact.favourite or false
end

--- NothingFound: stands in for an empty table and says why it is empty.
local NothingFound = session:prototype("NothingFound", { contacts = EMPTY })

function NothingFound:new(contacts)
  return session:create(NothingFound, { contacts = contacts })
end

function NothingFound:headline()
  if self.contacts.query:find("%S") then return "Nobody matches “" .. self.contacts.query .. "”" end
  if self.contacts.onlyFavourites then return "No favourites yet" end
  return "The address book is empty"
end

function NothingFound:hint()
  if self.contacts.query:find("%S") then return "Names, companies, cities, jobs and addresses were searched." end
  if self.contacts.onlyFavourites then return "Tick “Favourite” on someone’s card to see them here." end
  return "Add somebody to begin."
end

--- Without a search or a filter there is nothing to clear.
function NothingFound:nothingToClear()
  return self.contacts.query == "" and not self.contacts.onlyFavourites
end

--- Notice: what has just happened, with a way back from a deletion.
local Notice = session:prototype("Notice", { contacts = EMPTY, message = "", removed = EMPTY })

function Notice:new(contacts, message, removed)
  return session:create(Notice, { contacts = contacts, message = message, removed = removed })
end

function Notice:undo() self.contacts:bringBack(self.removed) end
function Notice:noUndo() return self.removed == nil end
function Notice:dismiss() self.contacts.notice = nil end

--- A form for `contact`, or for a new one when nil.
function panels.form(contacts, contact)
  return ContactForm:new(contacts, contact)
end

panels.Welcome = Welcome
panels.ContactCard = ContactCard
panels.NothingFound = NothingFound
panels.Notice = Notice

return panels
