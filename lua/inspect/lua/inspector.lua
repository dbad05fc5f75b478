-- Inspector: the whole page, once the recording is read. It owns the parts and tells them where one is.

local Timeline = require("timeline")
local Moment = require("moment")
local Variables = require("variables")
local Objects = require("objects")
local History = require("history")
local words = require("words")

local Inspector = session:prototype("Inspector", {
  recording = EMPTY,
  timeline = EMPTY,
  moment = EMPTY,
  variables = EMPTY,
  objects = EMPTY,
  history = EMPTY, -- what somebody asked "when did it change" of
  divergence = EMPTY,
  state = EMPTY, -- the one of variables and objects that is on screen
})

--- Note: a line of what to know of the recording.
local Note = session:prototype("Note", { text = "" })
ui.registerPresenter("Note", Note)

function Note:new(viewItem) return session:create(Note, { text = viewItem.baseItem }) end

--- Divergence: where running the recording again gave something else.
local Divergence = session:prototype("Divergence", { inspector = EMPTY, turn = 0 })

function Divergence:go() self.inspector:go(self.turn) end
function Divergence:title() return "Turn " .. words.count(self.turn) .. " comes out differently" end
function Divergence:variable()
  local found = self.difference
  if not found then return nil end
  return found.path .. ", " .. found.part .. ": recorded " .. found.recorded .. ", now " .. found.replayed
end
function Divergence:recordedText() return self.recorded or "nothing" end
function Divergence:replayedText() return self.replayed or "nothing" end
function Divergence:asked() return self.at and "The code that asked is at " .. self.at .. "." end

--- The page of a recording, as ask's "recording" tells of it.
function Inspector:new(recording)
  local page = session:create(Inspector, { recording = recording })
  if recording.divergence then
    page.divergence = session:create(Divergence, recording.divergence)
    page.divergence.inspector = page
  end
  page.timeline = Timeline:new(page, recording)
  page.variables = Variables:new(page)
  page.objects = Objects:new(page)
  page.state = page.variables
  if recording.turns > 0 then page:go(recording.divergence and recording.divergence.turn or 1) end
  return page
end

--- Goes to a turn: everything shows it.
function Inspector:go(turn)
  self.timeline:arrive(turn)
  self.moment = Moment:new(turn)
  self.state:show(turn)
  if self.history then self.history:mark(turn) end
end

--- One turn on or back; with nothing there, it stays.
function Inspector:step(by)
  local turn = math.max(1, math.min(self.recording.turns, self.timeline.turn + by))
  if turn ~= self.timeline.turn then self:go(turn) end
end

function Inspector:back() self:step(-1) end
function Inspector:on() self:step(1) end
function Inspector:first() self:step(-self.recording.turns) end
function Inspector:last() self:step(self.recording.turns) end
function Inspector:leapBack() self:step(-10) end
function Inspector:leapOn() self:step(10) end
function Inspector:previousChange() self.timeline:find("previous", "changes") end
function Inspector:nextChange() self.timeline:find("next", "changes") end

--- In a field, the arrow keys are for its text.
function Inspector:nothing() end

-- What the state is shown as ------------------------------------------------------------------

function Inspector:look(state)
  self.state = state
  if self.timeline.turn > 0 then state:show(self.timeline.turn) end
end

function Inspector:showVariables() self:look(self.variables) end
function Inspector:showObjects() self:look(self.objects) end
function Inspector:variablesShown() return self.state == self.variables and "true" or "false" end
function Inspector:objectsShown() return self.state == self.objects and "true" or "false" end

--- Shows an object by its number or "app", and the way from there.
function Inspector:openObject(root, path)
  self.objects:aim(root, path)
  self:look(self.objects)
end

--- Asks when something changed; `question` is one of history or field.
function Inspector:follow(question)
  if self.history then self.history:leave() end
  self.history = History:new(self, question)
end

function Inspector:closeHistory()
  self.history:leave()
  self.history = nil
end

-- What the file is ------------------------------------------------------------------------------

function Inspector:title() return self.recording.name .. " – Lunette" end
function Inspector:empty() return self.recording.turns == 0 end
function Inspector:notes() return self.recording.notes end
function Inspector:noErrors() return self.recording.errors == 0 end
function Inspector:errors() return words.amount(self.recording.errors, "error") end

function Inspector:facts()
  local r = self.recording
  return words.amount(r.turns, "turn") .. ", " .. words.amount(r.frames, "frame") .. ", " .. words.span(r.ms)
    .. " – session " .. r.session .. ", lunette " .. r.engine .. " on " .. r.arch
end

return Inspector
