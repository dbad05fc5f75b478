-- Moment: what happened in one turn: its events, the frames both ways, what was logged and what went wrong.

local ask = require("ask")
local words = require("words")

local SHORT_LINES, SHORT_LETTERS = 6, 400 -- an entry no longer than that is open from the start

local Moment = session:prototype("Moment", { entries = EMPTY, problems = EMPTY, logged = EMPTY, problem = EMPTY })

--- Entry: an event or an effect. `way`: in, out, event, host or effect.
local Entry = session:prototype("Entry", { open = false, left_out = 0, who = "" })

local WAYS = { ["in"] = "from", out = "to", event = "event", host = "machine", effect = "effect" }

function Entry:title() return WAYS[self.way] .. (self.who == "" and "" or " " .. self.who) end
function Entry:preview() return self.open and "" or self.text:match("^[^\n]*"):sub(1, 300) end
function Entry:whole() return self.left_out == 0 end
function Entry:rest()
  return words.amount(self.left_out, "more letter") .. ": lunette transcript shows all of it"
end

--- LogLine: a line of the log with its level.
local LogLine = session:prototype("LogLine", { level = 0, text = "" })
function LogLine:urgent() return self.level == 0 end

--- Fault: an error that a variable has from this turn on.
local Fault = session:prototype("Fault", { path = "", text = "" })

local function created(prototype, list)
  for i, item in ipairs(list) do list[i] = session:create(prototype, item) end
  return list
end

function Moment:new(turn)
  local answer, why = ask.now("turn/" .. turn)
  if not answer then return session:create(Moment, { problem = why, entries = {}, problems = {}, logged = {} }) end
  local moment = session:create(Moment, answer)
  moment.entries = created(Entry, answer.entries)
  for _, entry in ipairs(moment.entries) do
    local _, breaks = entry.text:gsub("\n", "\n")
    entry.open = breaks < SHORT_LINES and #entry.text <= SHORT_LETTERS
  end
  moment.logged = created(LogLine, answer.lines)
  moment.problems = created(Fault, answer.faults)
  return moment
end

function Moment:title() return "Turn " .. words.count(self.turn) end

function Moment:when()
  local text = "at " .. words.span(self.ms)
  if self.turn > 1 then text = text .. ", " .. words.span(self.since) .. " after the one before" end
  return text .. "; " .. os.date("%Y-%m-%d %H:%M:%S", self.wall // 1000)
end

function Moment:changes()
  local list = {}
  for _, what in ipairs { "made", "changed", "gone" } do
    if self[what] > 0 then list[#list + 1] = words.count(self[what]) .. " " .. what end
  end
  return #list > 0 and "Variables: " .. table.concat(list, ", ") or "No variable changed"
end

function Moment:noProblems() return #self.problems == 0 end
function Moment:noLog() return #self.logged == 0 end
function Moment:nothingLeftOut() return self.left_out == 0 end
function Moment:leftOut() return "… and " .. words.count(self.left_out) .. " more: lunette transcript shows them" end

return Moment
