-- Contact: one person of the address book. Data only; how it is shown is up to the presenters
-- (ContactRow, ContactCard, ContactForm) and their templates.

local text = require("text")

local Contact = session:prototype("Contact", {
  name = "",
  role = "",
  company = "",
  email = "",
  phone = "",
  city = "",
  note = "",
  favourite = EMPTY, -- true or nil
})

--- A contact with `fields`; the rest of it is worked out.
function Contact:new(fields)
  return session:create(Contact, fields):refresh()
end

--- Works out again what follows from the other fields. Returns the contact.
function Contact:refresh()
  -- What searching compares: folded once here instead of at every key press. It begins with the name, so that it
  -- sorts by it too.
  self._folded = text.fold(table.concat({ self.name, self.company, self.city, self.email, self.role }, "\n"))
  self._picture = nil
  return self
end

-- The round picture: worked out for those who are seen, few of many.

function Contact:initials() return self:picture().initials end

--- In degrees.
function Contact:hue() return self:picture().hue end

function Contact:picture()
  if not self._picture then
    local sum = 0
    for i = 1, #self.name do sum = (sum * 31 + self.name:byte(i)) % 3600 end
    self._picture = { initials = text.initials(self.name), hue = sum % 24 * 15 }
  end
  return self._picture
end

--- Whether every one of the folded `words` occurs somewhere in the contact.
function Contact:matches(words)
  for _, word in ipairs(words) do
    if not self._folded:find(word, 1, true) then return false end
  end
  return true
end

return Contact
