-- ContactForm: adds or edits a contact. The form holds copies, so nothing changes before it is saved
-- and whatever was typed stays when it cannot be.

local text = require("text")

--- Field: one input, its value as typed, and what is wrong with it.
local Field = session:prototype("Field", { value = "", form = EMPTY, rule = EMPTY })

--- What to tell the user. Silent until the first attempt to save, up to date with every key afterwards.
function Field:problem()
  if not (self.form.tried and self.rule) then return "" end
  return self.rule(text.trim(self.value), self.form) or ""
end

--- For `aria-invalid`.
function Field:invalid()
  return self:problem() ~= "" and "true" or nil
end

local rules = {}

function rules.name(value)
  if value == "" then return "Please enter a name." end
  if #value > 80 then return "Please keep it below 80 letters." end
end

function rules.email(value, form)
  if value == "" then return "Please enter an e-mail address." end
  if not value:find("^[^%s@]+@[^%s@.]+%.[^%s@]*[^%s@.]$") then
    return "That is no e-mail address; it needs the form name@company.example."
  end
  local owner = form.contacts:ownerOf(value, form.contact)
  if owner then return "This address already belongs to " .. owner.name .. "." end
end

function rules.phone(value)
  if value ~= "" and not value:find("^%+?[%d%s%-()]+$") then
    return "Please use digits, spaces, dashes and brackets only."
  end
end

local FIELDS = { "name", "role", "company", "email", "phone", "city", "note" }

local ContactForm = session:prototype("ContactForm", {
  contacts = EMPTY,
  contact = EMPTY, -- nil for a new one
  title = "",
  tried = false, -- to save
  name = EMPTY,
  role = EMPTY,
  company = EMPTY,
  email = EMPTY,
  phone = EMPTY,
  city = EMPTY,
  note = EMPTY,
})

function ContactForm:new(contacts, contact)
  local form = session:create(ContactForm, {
    contacts = contacts,
    contact = contact,
    title = contact and "Edit " .. contact.name or "New contact",
  })
  for _, name in ipairs(FIELDS) do
    form[name] = session:create(Field, {
      form = form,
      rule = rules[name],
      value = contact and contact[name] or "",
    })
  end
  return form
end

--- Whether anything was typed that saving would keep.
function ContactForm:touched()
  for _, name in ipairs(FIELDS) do
    if text.trim(self[name].value) ~= (self.contact and self.contact[name] or "") then return true end
  end
  return false
end

--- How many fields have to be mended.
function ContactForm:problems()
  local count = 0
  for _, name in ipairs(FIELDS) do
    if self[name]:problem() ~= "" then count = count + 1 end
  end
  return count
end

--- The line above the buttons.
function ContactForm:advice()
  local count = self:problems()
  if count == 0 then return "" end
  return count == 1 and "One field needs another look." or count .. " fields need another look."
end

function ContactForm:save()
  self.tried = true
  if self:problems() > 0 then return end
  local fields = {}
  for _, name in ipairs(FIELDS) do fields[name] = text.trim(self[name].value) end
  self.contacts:save(self.contact, fields)
end

function ContactForm:cancel()
  self.contacts:discard(self.contact)
end

return ContactForm
