-- longlist: as many rows as asked for, shown whole, as a window, or as a table; and every edit a list can see.

local Row = session:prototype("Row", { name = "", count = 0, note = "" })
local Plain = session:prototype("Plain", {})
local Windowed = session:prototype("Windowed", {})
local Table = session:prototype("Table", {})
local App = session:prototype("App", { rows = EMPTY, all = EMPTY, size = 0, at = 0, query = "", page = EMPTY })

local app = session:create(App, { rows = {}, all = {} })
for _, page in ipairs({ Plain, Windowed, Table }) do
  function page:rows() return app.rows end
end

local serial = 0
local function row()
  serial = serial + 1
  return setmetatable({ name = "row " .. serial, count = serial * 7919 % 50021 }, Row)
end

function App:fill()
  local rows = {}
  serial = 0
  for n = 1, tonumber(self.size) or 0 do rows[n] = row() end
  self.rows, self.all = rows, rows
end

function App:plain() self.page = session:create(Plain) end
function App:windowed() self.page = session:create(Windowed) end
function App:table() self.page = session:create(Table) end

-- What follows is done at index `at`, counted from 0; -1 is the middle.
local function place(self)
  local at = tonumber(self.at) or 0
  return at < 0 and #self.rows // 2 + 1 or at + 1
end

function App:touch()
  local touched = self.rows[place(self)]
  if touched then touched.count = touched.count + 1 end
end

function App:rename()
  local renamed = self.rows[place(self)]
  if renamed then renamed.name = renamed.name .. "!" end
end

function App:insert() table.insert(self.rows, math.min(place(self), #self.rows + 1), row()) end
function App:append() self.rows[#self.rows + 1] = row() end
function App:replace() self.rows[place(self)] = row() end
function App:delete() table.remove(self.rows, place(self)) end

--- The row goes to the end.
function App:move() table.insert(self.rows, (table.remove(self.rows, place(self)))) end

function App:reverse()
  local rows = {}
  for i = #self.rows, 1, -1 do rows[#rows + 1] = self.rows[i] end
  self.rows = rows
end

function App:sort() table.sort(self.rows, function(a, b) return a.count < b.count end) end

--- The rows whose name has `text` in it, or what was typed.
function App:filter(text)
  text = text or self.query
  local found = {}
  for _, r in ipairs(self.all) do
    if r.name:find(text, 1, true) then found[#found + 1] = r end
  end
  self.rows = found
end

session:createAppVariable(app)
