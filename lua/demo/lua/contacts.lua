-- Contacts: the address book's page. It owns the contacts, what is searched for, how the table is
-- sorted, who is selected, and what the panel beside the table shows.

local Page = require("page")
local Contact = require("contact")
local panels = require("panels")
local sample = require("sample")
local text = require("text")

local SAMPLE_CONTACTS = 240
local ROWS_AT_FIRST = 25 -- a short first page; "Show all" brings the rest
local NOTICE_MS = 10000

local Contacts = session:prototype("Contacts", {
  query = "",
  onlyFavourites = false,
  showsAll = false,
  sortKey = "name",
  sortDown = false,
  revision = 0, -- counts changes of the contacts themselves
  selected = EMPTY,
  panel = EMPTY, -- a presenter of panels.lua, or a ContactForm
  notice = EMPTY,
  byName = EMPTY,
  byCompany = EMPTY,
  byCity = EMPTY,
}, Page)

--- SortColumn: a table head that sorts by its key, and turns the order when it already does.
local SortColumn = session:prototype("SortColumn", { key = "", contacts = EMPTY })

function SortColumn:toggle()
  local contacts = self.contacts
  contacts.sortDown = contacts.sortKey == self.key and not contacts.sortDown
  contacts.sortKey = self.key
end

--- For `aria-sort`, which the style sheet shows as an arrow.
function SortColumn:order()
  if self.contacts.sortKey ~= self.key then return "none" end
  return self.contacts.sortDown and "descending" or "ascending"
end

--- ContactRow: a contact in the table. Made by the list, one for each contact that is on screen.
local ContactRow = session:prototype("ContactRow", { contact = EMPTY, contacts = EMPTY })
ui.registerPresenter("ContactRow", ContactRow)

function ContactRow:new(viewItem)
  return session:create(ContactRow, {
    contact = viewItem.baseItem,
    contacts = session:getApp().contacts,
  })
end

function ContactRow:open()
  self.contacts:open(self.contact)
end

function ContactRow:selected()
  return self.contacts.selected == self.contact and "true" or nil
end

--- The page of `app`, filled with the sample contacts.
function Contacts:new(app)
  local page = session:create(Contacts, { app = app })
  page.byName = session:create(SortColumn, { key = "name", contacts = page })
  page.byCompany = session:create(SortColumn, { key = "company", contacts = page })
  page.byCity = session:create(SortColumn, { key = "city", contacts = page })
  page._all = {}
  page._opened = 0
  page._drafts = {} -- forms that were left unsaved: by contact, or under "new"
  for n = 0, SAMPLE_CONTACTS - 1 do
    page._all[n + 1] = Contact:new(sample.contact(n))
  end
  page._welcome = panels.Welcome:new(page)
  page._nothing = panels.NothingFound:new(page)
  page.panel = page._welcome
  return page
end

-- What the table shows -------------------------------------------------------------------------

local ROWS_DEPEND_ON = { "query", "onlyFavourites", "showsAll", "sortKey", "sortDown", "revision" }

--- The contacts to show. A template asks for them after every event, so the work is done only when
--- something that matters has changed.
function Contacts:rows()
  local seen, stale = self._seen or {}, false
  for _, field in ipairs(ROWS_DEPEND_ON) do
    if seen[field] ~= self[field] then
      seen[field], stale = self[field], true
    end
  end
  if stale then
    self._seen = seen
    self._rows, self._matching = self:find()
  end
  return self._rows
end

--- Searches and sorts: the rows to show, and how many contacts match.
function Contacts:find()
  local words = {}
  for word in text.fold(self.query):gmatch("%S+") do words[#words + 1] = word end
  local matching = {}
  for _, contact in ipairs(self._all) do
    if (contact.favourite or not self.onlyFavourites) and contact:matches(words) then
      matching[#matching + 1] = contact
    end
  end
  table.sort(matching, self:order())
  local rows = matching
  if not self.showsAll and #matching > ROWS_AT_FIRST then
    rows = table.move(matching, 1, ROWS_AT_FIRST, 1, {})
  end
  return rows, #matching
end

-- The folded text of a contact begins with the name.
local function by_name(a, b) return a._folded < b._folded end

--- The order of the table, as `table.sort` takes it.
function Contacts:order()
  local key, down = self.sortKey, self.sortDown
  if key == "name" then
    return down and function(a, b) return by_name(b, a) end or by_name
  end
  return function(a, b)
    local x, y = text.folded[a[key]], text.folded[b[key]]
    if x == y then return by_name(a, b) end -- names keep their order in both directions
    if down then return x > y end
    return x < y
  end
end

--- "240 contacts", "12 of 240 contacts".
function Contacts:summary()
  self:rows()
  local all = #self._all
  local noun = all == 1 and " contact" or " contacts"
  if self._matching == all then return all .. noun end
  return self._matching .. " of " .. all .. noun
end

--- The label of the button below the table; nil when there is no more to show.
function Contacts:moreLabel()
  local shown = #self:rows()
  return shown < self._matching and "Show all " .. self._matching or nil
end

function Contacts:nothingMore()
  return self:moreLabel() == nil
end

function Contacts:showAll()
  self.showsAll = true
end

--- What stands in the table's place when it is empty.
function Contacts:emptyState()
  return #self:rows() == 0 and self._nothing or nil
end

function Contacts:clearSearch()
  self.query = ""
  self.onlyFavourites = false
end

-- Selecting ------------------------------------------------------------------------------------

--- Shows `contact` beside the table: the form when it was left with unsaved changes, else the card.
--- `opened`: to do something with it, so that the keyboard goes on there; a number that is new each time.
function Contacts:select(contact, opened)
  local draft = self._drafts[contact]
  self.selected = contact
  self.panel = draft and draft:touched() and draft or panels.ContactCard:new(self, contact, opened)
end

function Contacts:open(contact)
  self._opened = self._opened + 1
  self:select(contact, self._opened)
end

function Contacts:closePanel()
  self.selected = nil
  self.panel = self._welcome
end

--- On a narrow screen the panel covers the table while this is true.
function Contacts:panelOpen()
  return self.panel ~= self._welcome
end

--- The arrow keys of the search box walk through the table.
function Contacts:selectNext() self:step(1) end
function Contacts:selectPrevious() self:step(-1) end

function Contacts:step(by)
  local rows, at = self:rows(), 0
  for i, contact in ipairs(rows) do
    if contact == self.selected then at = i end
  end
  local contact = rows[math.max(1, math.min(#rows, at + by))]
  if contact then self:select(contact) end
end

-- Changing -------------------------------------------------------------------------------------

function Contacts:add()
  self.selected = nil
  self._drafts.new = self._drafts.new or panels.form(self, nil)
  self.panel = self._drafts.new
end

function Contacts:edit(contact)
  local draft = self._drafts[contact]
  self._drafts[contact] = draft and draft:touched() and draft or panels.form(self, contact)
  self.selected = contact
  self.panel = self._drafts[contact]
end

--- The form is done: `fields` go to `contact`, or become a new one.
function Contacts:save(contact, fields)
  self._drafts[contact or "new"] = nil
  if contact then
    for name, value in pairs(fields) do contact[name] = value end
    contact:refresh()
    self:announce("Saved " .. contact.name .. ".")
  else
    contact = Contact:new(fields)
    table.insert(self._all, contact)
    self:announce("Added " .. contact.name .. ".")
  end
  self:changed()
  self:select(contact)
end

--- Leaves the form of `contact` (nil: of the new contact) without saving.
function Contacts:discard(contact)
  self._drafts[contact or "new"] = nil
  if contact then self:select(contact) else self:closePanel() end
end

function Contacts:remove(contact)
  for i, other in ipairs(self._all) do
    if other == contact then
      table.remove(self._all, i)
      break
    end
  end
  self._drafts[contact] = nil
  self:changed()
  self:closePanel()
  self:announce("Deleted " .. contact.name .. ".", contact)
end

--- Takes back the deletion of `contact`.
function Contacts:bringBack(contact)
  table.insert(self._all, contact)
  self:changed()
  self:select(contact)
  self:announce("Brought back " .. contact.name .. ".")
end

--- Some contact is not what it was: the rows have to be found again.
function Contacts:changed()
  self.revision = self.revision + 1
end

--- The other contact that has this address, if any.
function Contacts:ownerOf(email, except)
  local wanted = email:lower()
  for _, contact in ipairs(self._all) do
    if contact ~= except and contact.email:lower() == wanted then return contact end
  end
end

--- Contacts by city: a table of counts, and the names of the cities, the most frequent first.
function Contacts:countByCity()
  local count, cities = {}, {}
  for _, contact in ipairs(self._all) do
    local city = contact.city
    if city ~= "" then
      if not count[city] then cities[#cities + 1] = city end
      count[city] = (count[city] or 0) + 1
    end
  end
  table.sort(cities, function(a, b)
    if count[a] == count[b] then return a < b end
    return count[a] > count[b]
  end)
  return count, cities
end

--- A line above the table that goes away by itself; `removed` adds a way back.
function Contacts:announce(message, removed)
  local notice = panels.Notice:new(self, message, removed)
  self.notice = notice
  session:setTimeout(function()
    if self.notice == notice then self.notice = nil end
  end, NOTICE_MS)
end

return Contacts
