-- History: all turns in which one value changed, each a way to get there.

local ask = require("ask")
local words = require("words")

local History = session:prototype("History", {
  inspector = EMPTY,
  path = "",
  changes = EMPTY,
  left_out = 0,
  turn = 0, -- where the page is
  state = "waiting",
  reached = 0, -- while it waits
})

--- Change: a turn, and what the value is from then on.
local Change = session:prototype("Change", { history = EMPTY, turn = 0, value = "" })
function Change:go() self.history.inspector:go(self.turn) end
function Change:label() return "Turn " .. words.count(self.turn) end
function Change:time() return words.span(self.ms) end
--- It is what the value still is at the turn that is shown.
function Change:current() return self.history:present() == self and "true" or nil end

function History:new(inspector, question)
  local history = session:create(History, { inspector = inspector, changes = {}, turn = inspector.timeline.turn })
  history._stop = ask.patiently(question, function(answer, why)
    history:take(answer or { path = why, changes = {}, left_out = 0 })
  end, function(answer)
    history.reached = answer.turn
  end)
  return history
end

function History:take(answer)
  self._stop = nil
  self.state, self.path, self.left_out = "there", answer.path, answer.left_out
  for i, change in ipairs(answer.changes) do
    change.history = self
    answer.changes[i] = session:create(Change, change)
  end
  self.changes = answer.changes
end

function History:leave()
  if self._stop then self._stop() end
end

function History:mark(turn) self.turn = turn end

function History:present()
  local present
  for _, change in ipairs(self.changes) do
    if change.turn <= self.turn then present = change end
  end
  return present
end

function History:close() self.inspector:closeHistory() end

function History:told()
  if self.state == "waiting" then return "Following it through the recording: turn " .. words.count(self.reached) end
  local count = #self.changes + self.left_out
  local text = words.amount(count, "value") .. ", each with the turn that brought it"
  return self.left_out > 0 and text .. ", the first " .. #self.changes .. " shown" or text
end

return History
