-- Timeline: where in the recording one is, and the ways to get elsewhere: slider, steps, search.

local ask = require("ask")
local words = require("words")

local BEFORE, AFTER = 4, 7 -- turns around the present one that are listed

local Timeline = session:prototype("Timeline", {
  inspector = EMPTY,
  turns = 0,
  turn = 0,
  bars = EMPTY,
  near = EMPTY, -- lines of the turns around
  text = "", -- what is searched for
  told = "", -- what came of the last search
})

--- Bar: a group of turns in the picture of the whole.
local Bar = session:prototype("Bar", { height = 0, turn = 1, trouble = false })

function Bar:go() self.inspector:go(self.turn) end

--- NearTurn: a line of the list of turns.
local NearTurn = session:prototype("NearTurn", { turn = 0, inspector = EMPTY })

function NearTurn:go() self.inspector:go(self.turn) end
function NearTurn:current() return self.turn == self.inspector.timeline.turn and "step" or nil end
function NearTurn:time() return words.span(self.ms) end
function NearTurn:quiet() return self.changes == 0 end
function NearTurn:hasErrors() return self.errors > 0 end
function NearTurn:marks()
  local marks = {}
  if self.errors > 0 then marks[#marks + 1] = words.amount(self.errors, "error") end
  if self.changes > 0 then marks[#marks + 1] = words.amount(self.changes, "change") end
  return table.concat(marks, ", ")
end

local function bars(inspector, recording)
  local most, list = 1, {}
  for _, n in ipairs(recording.activity) do most = math.max(most, n) end
  for i, n in ipairs(recording.activity) do
    local trouble = recording.trouble[i] > 0
    list[i] = session:create(Bar, {
      inspector = inspector,
      turn = (i - 1) * recording.turns // #recording.activity + 1,
      -- Small changes are to be seen beside the building of a whole page.
      height = n == 0 and 0.03 or 0.08 + 0.92 * math.log(1 + n) / math.log(1 + most),
      trouble = trouble,
    })
  end
  return list
end

function Timeline:new(inspector, recording)
  return session:create(Timeline, {
    inspector = inspector,
    turns = recording.turns,
    bars = bars(inspector, recording),
    near = {},
  })
end

--- The page is at this turn now.
function Timeline:arrive(turn)
  self.turn, self.told = turn, ""
  local first = math.max(1, math.min(turn - BEFORE, self.turns - BEFORE - AFTER))
  local near = {}
  for i, line in ipairs(ask.now("turns/" .. first .. "-" .. first + BEFORE + AFTER) or {}) do
    line.inspector = self.inspector
    near[i] = session:create(NearTurn, line)
  end
  self.near = near
end

--- The slider and the number: read without, written with a value.
function Timeline:at(value)
  local turn = tonumber(value)
  if value ~= nil and not turn then return nil, "There are turns 1 to " .. self.turns end
  if turn then
    turn = math.max(1, math.min(self.turns, math.floor(turn)))
    if turn ~= self.turn then self.inspector:go(turn) end
  end
  return self.turn
end

--- How far along the present turn is, for the mark in the picture.
function Timeline:position()
  return string.format("%.2f%%", self.turns > 1 and 100 * (self.turn - 1) / (self.turns - 1) or 0)
end

function Timeline:spoken() return "Turn " .. self.turn .. " of " .. self.turns end
function Timeline:ofAll() return "of " .. words.count(self.turns) end
function Timeline:atFirst() return self.turn <= 1 end
function Timeline:atLast() return self.turn >= self.turns end

-- Searching -------------------------------------------------------------------------------------

local MISSED = { errors = "an error", changes = "a change" }

--- Goes to the next or previous turn with "errors", "changes" or "text/WORDS".
function Timeline:find(way, what)
  local found = ask.now("find/" .. self.turn .. "/" .. way .. "/" .. what)
  if found and found.turn then return self.inspector:go(found.turn) end
  local where = way == "next" and "No later turn has " or "No earlier turn has "
  self.told = where .. (MISSED[what] or "“" .. self.text .. "”")
end

function Timeline:nextError() self:find("next", "errors") end
function Timeline:previousError() self:find("previous", "errors") end
function Timeline:nextText() if self.text ~= "" then self:find("next", "text/" .. self.text) end end
function Timeline:previousText() if self.text ~= "" then self:find("previous", "text/" .. self.text) end end

return Timeline
