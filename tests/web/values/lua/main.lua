-- `ui-value` on every kind of element. `told` counts what each field was told by pages.
local App = session:prototype("App", { told = 0 })

-- In the object itself: a prototype's defaults would show where nothing is.
function App:init()
  local first = {
    text = "one", number = 5, check = true, radio = "b", choice = "y", area = "two\nlines", rich = "edit me",
    range = 30, color = "#336699", date = "2024-02-29", time = "12:30", moment = "2024-02-29T12:30",
    month = "2024-02", week = "2024-W09", done = 0.25, level = 7, shown = "out", opened = false, asked = false,
    late = "later", many = { "x", "z" },
  }
  for name, value in pairs(first) do self[name] = value end
end

-- Read and written by a method, which counts.
function App:counted(...)
  if select("#", ...) > 0 then
    self.told, self.kept = self.told + 1, (...)
  end
  return self.kept or "start"
end

function App:fixed() return "fixed" end

function App:empty()
  for name in pairs(App.all) do self[name] = nil end
  self.many = nil
end

function App:fill()
  for name, value in pairs(App.all) do self[name] = value end
end

local function show(value)
  if type(value) ~= "table" then return math.type(value) == "float" and "float " .. value or type(value) .. " " .. tostring(value) end
  return "[" .. table.concat(value, " ") .. "]"
end

function App:report(name) return show(self[name]) end

App.all = {
  text = "full", number = 8, check = true, radio = "a", choice = "x", area = "area", rich = "rich", range = 10,
  color = "#112233", date = "2025-01-01", time = "01:02", moment = "2025-01-01T01:02", month = "2025-01", week = "2025-W01",
  done = 0.5, level = 3, shown = "shown",
}

local app = session:create(App)
app:init()
session:createAppVariable(app)
