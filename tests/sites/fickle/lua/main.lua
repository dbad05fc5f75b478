-- fickle: all that an address, a hash seed, a clock, a collection or a stream of random numbers could make differ.

local App = session:prototype("App", { rows = EMPTY, order = "", left = 0, clock = "", heard = "", late = 0, name = "" })
local Row = session:prototype("Row", { name = "", number = 0 })
local app = session:create(App, { rows = {} })
local weak, keys = setmetatable({}, { __mode = "k" }), {}

-- Tables, functions and threads as keys: where do they lie?
function App:mix()
  local key = ({ {}, function() return keys end, coroutine.create(print), tostring({}) })[math.random(4)]
  keys[key] = math.random(100)
  local order = {}
  for other, number in pairs(keys) do
    order[#order + 1] = type(other) .. number
    if #order > 12 then keys[other] = nil end
  end
  self.order = table.concat(order, " ") .. " " .. tostring(print)
end

-- What has been collected by now?
function App:drop()
  for i = 1, math.random(40) do weak[{ string.rep("x", i) }] = i end
  local left = 0
  for _, number in pairs(weak) do left = left + number end
  self.left = left
end

function App:grow()
  table.insert(self.rows, math.random(#self.rows + 1), session:create(Row, { name = tostring({}), number = math.random(9) }))
  if #self.rows > 12 then table.remove(self.rows, math.random(#self.rows)) end
end

-- With an order that contradicts itself, what comes of it depends on the pivots.
function App:sort()
  pcall(table.sort, self.rows, function(a, b) return a.number % 4 <= b.number % 5 end)
end

function App:look()
  self.clock = os.time() .. " " .. os.clock() .. " " .. os.date() .. " " .. collectgarbage("count") // 1
end

local waiting
function App:wait()
  if waiting == os.time() then return end
  waiting = os.time()
  session:setTimeout(function() app.late = app.late + math.random() end, math.random(500))
  session:setImmediate(function() app:drop() end)
end

-- Once a second at most: as a value, it is called whenever something is heard.
local said
function App:say()
  if said == os.time() then return end
  said = os.time()
  session:publish("fickle", session.id .. " at " .. said .. " " .. tostring({}), { retain = true })
end
function App:fail() error("as " .. tostring({}) .. " " .. math.random(9)) end
function App:names()
  local names = {}
  for i, row in ipairs(self.rows) do names[i] = row.name .. row.number end
  return table.concat(names, " ")
end

session:createAppVariable(app)
session:subscribe("fickle", function(text) app.heard = text end)
session:setInterval(function() app.late = app.late + 1 end, 1500)
