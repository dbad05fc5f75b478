-- ledger: writes down what is done to it, so that a test sees what happened, how often and in which order.

Entry = session:prototype("Entry", { token = "", marks = 0 })

function Entry:mark() self.marks = self.marks + 1 end

Ledger = session:prototype("Ledger", {
  _done = EMPTY, _heard = EMPTY, _spares = EMPTY, _outside = EMPTY,
  rows = EMPTY, texts = EMPTY, ticks = 0, blob = "", loudly = "",
})

local ROWS_MAX = 12

function Ledger:_write(token) self._done[#self._done + 1] = token end

function Ledger:note(token)
  self:_write(token)
  table.insert(self.rows, session:create(Entry, { token = token }))
  if #self.rows > ROWS_MAX then table.remove(self.rows, 1) end
end

function Ledger:reverse(token)
  self:_write(token)
  local turned = {}
  for i = #self.rows, 1, -1 do turned[#turned + 1] = self.rows[i] end
  self.rows = turned
end

-- Once, some time after.
function Ledger:later(token)
  self:_write(token)
  session:setTimeout(function() self:_write("later:" .. token) end, 100 + #self._done % 7 * 300)
end

function Ledger:tell(token)
  self:_write(token)
  session:publish("ledger", token)
end

-- What is done outside, and whether that is certain.
function Ledger:_did(token, done)
  self._outside[#self._outside + 1] = (done and "done:" or "doubt:") .. token
end

function Ledger:append(token)
  self:_write(token)
  local file = io.open("said", "a")
  if file then file:write(token) end
  self:_did(token, file and file:close())
end

function Ledger:run(token)
  self:_write(token)
  self:_did(token, os.execute(token))
end

function Ledger:grow(token)
  self:_write(token)
  self.blob = string.rep(token .. " ", 2000)
end

function Ledger:refuse(token)
  self:_write(token)
  return nil, "not this"
end

function Ledger:fail(token)
  self:_write(token)
  error("as it was asked to")
end

-- Variables that Lua makes, for all tabs to watch, until it destroys them.
function Ledger:spare(token)
  self:_write(token)
  self._spares[#self._spares + 1] = session:createVariable(1, "loudly")
  if #self._spares > 3 then session:destroyVariable(table.remove(self._spares, 1)) end
end

function Ledger:spares()
  local ids = {}
  for i, spare in ipairs(self._spares) do ids[i] = spare:getId() end
  return table.concat(ids, " ")
end

function Ledger:loud(...)
  if select("#", ...) > 0 then self.loudly = tostring((...)):upper() end
  return self.loudly
end

function Ledger:last() return self._done[#self._done] or "" end
function Ledger:count() return #self._done end
function Ledger:log() return table.concat(self._done, " ") end
function Ledger:outside() return table.concat(self._outside, " ") end
function Ledger:heard() return table.concat(self._heard, " ") end

if not session.reloading then
  ledger = session:create(Ledger, { _done = {}, _heard = {}, _spares = {}, _outside = {}, rows = {}, texts = {} })
  session:createAppVariable(ledger)
end

session:subscribe("ledger", function(token) ledger._heard[#ledger._heard + 1] = token end)
session:setInterval(function() ledger.ticks = ledger.ticks + 1 end, 1000)
