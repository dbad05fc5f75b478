-- The same fields for the components of two libraries: `sl` and `wa` are objects of one type with two templates.
local Form = session:prototype("Form", {})

function Form:report(name)
  local value = self[name]
  if type(value) == "table" then return "[" .. table.concat(value, " ") .. "]" end
  return type(value) .. " " .. tostring(value)
end

function Form:fill()
  local all = {
    text = "filled", number = 12, area = "long", choice = "b", many = { "a", "c" }, check = true, switch = true,
    radio = "b", range = 40, rating = 3, color = "#ff0000",
  }
  for name, value in pairs(all) do self[name] = value end
end

function Form:empty()
  for _, name in ipairs { "text", "number", "area", "choice", "many", "check", "switch", "radio", "range", "rating", "color" } do
    self[name] = nil
  end
end

function Form:save(form)
  if form.text == "" then return nil, { text = "is needed" } end
  local names = {}
  for name in pairs(form) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = form[name]
    if type(value) == "table" then value = "[" .. table.concat(value, " ") .. "]" end
    names[i] = name .. "=" .. tostring(value)
  end
  self.saved = table.concat(names, " ")
end

local function form()
  local made = session:create(Form)
  made.options = { { value = "a", label = "A" }, { value = "b", label = "B" }, { value = "c", label = "C" } }
  made.dialog, made.drawer, made.details = false, false, false
  made:fill()
  return made
end

local App = session:prototype("App", {})
local app = session:create(App)
app.sl, app.wa = form(), form()
session:createAppVariable(app)
