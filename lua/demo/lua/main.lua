-- The site that Lunette shows when it is given none: an address book and a live panel.
-- There is no JavaScript and no update call in it. These files change plain Lua objects;
-- the templates in ../viewdefs say where each value is seen.
--
-- Reading order: page (what the three views share), contacts, contact_form, sample, live, about.

local Contacts = require("contacts")
local Live = require("live")
local About = require("about")

local App = session:prototype("App", {
  contacts = EMPTY,
  live = EMPTY,
  about = EMPTY,
  page = EMPTY, -- the one of the three that is on screen
})

--- Puts `page` on screen. Pages hear of it: the live panel has a clock to start and stop.
function App:open(page)
  if self.page == page then return end
  if self.page then self.page:leave() end
  self.page = page
  page:enter()
end

--- The page that an address of this session is for: links, back and forward lead to it.
function App:visit(url)
  local path = url:match("^[^?#]*")
  for _, page in ipairs { self.live, self.about } do
    if page.address == path then return self:open(page) end
  end
  self:open(self.contacts)
end

local app = session:create(App)
app.contacts = Contacts:new(app)
app.live = Live:new(app)
app.about = About:new(app)

app:visit(session.url)
session:createAppVariable(app)
session:watchProperty(1, "url", function(url) app:visit(url) end)
