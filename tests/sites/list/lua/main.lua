-- list: rows of a name and a number. `size` says how many rows `fill` makes.

local Row = session:prototype("Row", { name = "", count = 0 })

local App = session:prototype("App", { rows = EMPTY, size = 0 })

local function row(n)
  return session:create(Row, { name = "row " .. n })
end

function App:fill()
  local rows = {}
  for n = 1, tonumber(self.size) or 0 do rows[n] = row(n) end
  self.rows = rows
end

--- Changes the row in the middle, and nothing else.
function App:touch()
  local middle = self.rows[#self.rows // 2 + 1]
  if middle then middle.count = middle.count + 1 end
end

function App:append()
  self.rows[#self.rows + 1] = row(#self.rows + 1)
end

session:createAppVariable(session:create(App, { rows = {} }))
