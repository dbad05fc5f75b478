-- A site that trusts its templates and its values: scripts in both, markup as it is.
local App = session:prototype("App", {
  count = 0, html = "<custom-tag>as it is</custom-tag> <b>bold</b>",
  code = "window.coded = (window.coded || 0) + 1; element.dataset.seen = [element.id, variable.value === value, typeof store.get].join(' ')",
})
local Inner = session:prototype("Inner", {})

function App:add() self.count = self.count + 1 end
function App:again() self.code = "window.coded += 11" end
function App:toggle() self.first = not self.first and session:create(Inner) or nil end

local app = session:create(App)
app.first, app.second = session:create(Inner), session:create(Inner)
session:createAppVariable(app)
