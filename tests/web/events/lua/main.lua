-- What the user does: calls and writes by clicks, by any event, by keys. `said` is the last of it.
local App = session:prototype("App", { said = "", text = "", count = 0, says = 0, outer = 0, mark = "" })

function App:say(what) self.said, self.says = tostring(what), self.says + 1 end
function App:bare(...) self.count, self.said = self.count + 1, select("#", ...) .. " arguments" end
function App:out() self.outer = self.outer + 1 end
function App:sees() self.said = "text is " .. self.text end

function App:event(e)
  local keys = {}
  for key in pairs(e) do keys[#keys + 1] = key end
  table.sort(keys)
  self.said = e.type .. " " .. tostring(e.value) .. " " .. tostring(e.key) .. " " .. (e.detail and tostring(e.detail.n) or "-")
end

function App:slow()
  local n = 0
  for i = 1, 3000000 do n = n + i end
  self.said = "slow"
end

local app = session:create(App)
session:createAppVariable(app)
