-- A bit of everything that needs memory, for tests in which some allocation fails.
local module = require("module")
App = session:prototype("App", { n = 0, rows = EMPTY, value = EMPTY, defaults = { a = { b = 1 } } })
Row = session:prototype("Row", { name = "" })
function Row:new(item)
  return session:create(Row, { name = "row " .. tostring(item and item.index) })
end
Presenter = session:prototype("Presenter", { syncs = 0 })
function Presenter:new(variable)
  local presenter = session:create(Presenter, { variable = variable })
  variable:setProperty("presented", "yes")
  return presenter
end
function Presenter:sync() self.syncs = self.syncs + 1 end
function Presenter:destroy() session:log(0, "presenter gone after " .. self.syncs) end

local app = session:create(App)
local variable = session:createAppVariable(app)
app.rows, app.value, app.turn = {}, {}, 0
for i = 1, 5 do app.rows[i] = { i = i } end
session:watchProperty(1, "topic", function(text) app.topic = text .. "!" end)
session:setInterval(function() app.ticks = (app.ticks or 0) + 1 app.value = { tick = app.ticks } end, 10)

function app:fine() self.n = self.n + 1 end
function app:text() return ("turn %d of %s"):format(self.turn, self.topic or "none") end
function app:take(value) self.taken = value end

local steps = {
  function() app.rows[#app.rows + 1] = { i = #app.rows + 1 } end,
  function() table.remove(app.rows, 1) end,
  function() app.json = ui.json_encode({ rows = { 1, 2, { a = "b" } }, n = app.turn }) end,
  function() app.back = ui.json_decode(app.json or "[") end,
  function() app.made = session:createVariable(1, "rows.0.i", { label = "made" }) end,
  function() if app.made then session:destroyVariable(app.made) app.made = nil end end,
  function() variable:setProperty("topic", "topic " .. app.turn) end,
  function() session:prototype("App", { n = 0, fresh = { app.turn } }) end,
  function() error("raised " .. app.turn) end,
  function() return pcall(module.fail, app.turn) end,
  function() session:setTimeout(function() app.late = "late " .. app.turn end, 1) end,
  function() return coroutine.wrap(function() coroutine.yield(app.turn) end)() end,
}

function app:step()
  self.turn = self.turn + 1
  return steps[(self.turn - 1) % #steps + 1]()
end
