-- Variables: what pages are bound to, as it was after a turn: what the turn changed, or the whole tree.

local ask = require("ask")
local words = require("words")

local Variables = session:prototype("Variables", {
  inspector = EMPTY,
  turn = 0,
  whole = false, -- the tree, not just what changed
  filter = "",
  rows = EMPTY,
  count = 0,
  left_out = 0,
})

--- VariableRow: one variable.
local VariableRow = session:prototype("VariableRow", { mark = "", depth = 0, variables = EMPTY })

function VariableRow:follow() self.variables.inspector:follow("history/" .. self.id) end
function VariableRow:open() self.variables.inspector:openObject(self.object, "[]") end
function VariableRow:label() return self.variables.whole and self.name or self.path end
function VariableRow:indent() return self.variables.whole and self.depth or 0 end
function VariableRow:changed() return self.mark ~= "" end
function VariableRow:isPlain() return self.object == nil end
function VariableRow:hasNoBefore() return self.was == nil end
function VariableRow:about()
  local text = self.path .. (self.page and " – page " .. self.page .. ", variable " .. self.wire or " – all pages")
  return self.properties == "" and text or text .. ", " .. self.properties
end

function Variables:new(inspector)
  return session:create(Variables, { inspector = inspector, rows = {} })
end

--- Shows a turn.
function Variables:show(turn)
  self.turn = turn
  local which = self.whole and "all" or "changed"
  local answer = ask.now("variables/" .. turn .. "/" .. which .. "/" .. self.filter) or { rows = {}, count = 0, left_out = 0 }
  for i, row in ipairs(answer.rows) do
    row.variables = self
    answer.rows[i] = session:create(VariableRow, row)
  end
  self.rows, self.count, self.left_out = answer.rows, answer.count, answer.left_out
end

--- The two choices: read without, written with a value.
function Variables:all(value)
  if value ~= nil then
    self.whole = value
    self:show(self.turn)
  end
  return self.whole
end

function Variables:wanted(value)
  if value ~= nil then
    self.filter = value
    self:show(self.turn)
  end
  return self.filter
end

function Variables:summary()
  local text = words.amount(self.count, "variable")
  if self.left_out > 0 then text = text .. ", the first " .. #self.rows .. " shown" end
  return text
end

function Variables:nothing()
  if self.count > 0 then return "" end
  if self.filter ~= "" then return "No variable has “" .. self.filter .. "” in its path or value." end
  return self.whole and "There are no variables: no page is open." or "This turn changed no variable."
end

return Variables
