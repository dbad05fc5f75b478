-- A form whose fields have only names, one whose fields show variables, and one of both.
local App = session:prototype("App", { name = "", saved = "", calls = 0, kept = "" })

local function show(value)
  if type(value) ~= "table" then return type(value) == "string" and '"' .. value .. '"' or tostring(value) end
  local keys, out = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do out[i] = (type(key) == "number" and "" or key .. "=") .. show(value[key]) end
  return "{" .. table.concat(out, " ") .. "}"
end

function App:save(form)
  self.calls = self.calls + 1
  self.saved = show(form)
end

-- Takes its time, so that a second click finds it at work.
function App:slow(form)
  local n = 0
  for i = 1, 3000000 do n = n + i end
  self:save(form)
end

function App:check(form)
  local wrong = {}
  if form.mail == "" then wrong.mail = "An address is needed" end
  if not form.plan then wrong.plan = "Choose one" end
  if self.name == "" then wrong.name = "Who are you?" end
  if form.mail == "nobody" then wrong.elsewhere = "No place for this" end
  if form.mail == "never" then return nil, "Not today" end
  if next(wrong) then return nil, wrong end
  self.kept = show(form) .. " of " .. self.name
end

local app = session:create(App)
session:createAppVariable(app)
