-- What the pages without a browser show: fields, calls that must happen once, rows that come, go and move.
local Row = session:prototype("Row", { name = "", note = "" })
local App = session:prototype("App", { plain = "", clock = 0, told = EMPTY, list = EMPTY, text = "" })
local app = session:create(App, { told = {}, list = {} })
local serial = 0

function App:loud(text)
  if text ~= nil then self.text = string.upper(tostring(text)) end
  return self.text
end

function App:rows() return self.list end

-- Each call is followed by two seconds in which the server says something by itself all the time.
local ticking
function App:add(id)
  self.told[#self.told + 1] = id
  local left = 40
  session:clearInterval(ticking)
  ticking = session:setInterval(function()
    app.clock, left = app.clock + 1, left - 1
    if left == 0 then session:clearInterval(ticking) end
  end, 50)
end

function App:calls() return table.concat(self.told, " ") end

function App:insert(id)
  self:add(id)
  serial = serial + 1
  table.insert(self.list, serial % (#self.list + 1) + 1, session:create(Row, { name = "row " .. serial }))
end

function App:delete(id)
  self:add(id)
  if #self.list > 0 then table.remove(self.list, id % #self.list + 1) end
end

function App:reverse(id)
  self:add(id)
  local list = {}
  for i = #self.list, 1, -1 do list[#list + 1] = self.list[i] end
  self.list = list
end

for n = 1, 5 do app.list[n] = session:create(Row, { name = "first " .. n }) end
session:createAppVariable(app)
