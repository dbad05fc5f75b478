-- Runs once for every session: one visitor with their tabs. What it ends with is shown.

local Item = session:prototype("Item", { text = "", done = false })

function Item:toggle() self.done = not self.done end

local App = session:prototype("App", { title = "My list", items = EMPTY, draft = "" })

function App:add()
  if self.draft:match("%S") then
    table.insert(self.items, session:create(Item, { text = self.draft }))
    self.draft = ""
  end
end

function App:tidy()
  local left = {}
  for _, item in ipairs(self.items) do
    if not item.done then table.insert(left, item) end
  end
  self.items = left
end

function App:summary()
  local open = 0
  for _, item in ipairs(self.items) do
    if not item.done then open = open + 1 end
  end
  if #self.items == 0 then return "Nothing to do yet" end
  return open == 0 and "All done" or open .. " of " .. #self.items .. " to do"
end

function App:noneDone()
  for _, item in ipairs(self.items) do
    if item.done then return false end
  end
  return true
end

session:createAppVariable(session:create(App, {
  items = {
    session:create(Item, { text = "Look at lua/main.lua", done = true }),
    session:create(Item, { text = "Change viewdefs/App.DEFAULT.html while lunette --dev runs" }),
  },
}))
