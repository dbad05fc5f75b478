-- Reading: what is shown while the recording is run for the first time.

local ask = require("ask")
local words = require("words")

local Reading = session:prototype("Reading", { percent = 0, turns = 0, problem = EMPTY })

--- Begins to read; `tell(recording)` hears when it is done.
function Reading:new(tell)
  local reading = session:create(Reading)
  ask.patiently("recording", function(recording, why)
    if recording then tell(recording) else reading.problem = why end
  end, function(answer)
    reading.percent, reading.turns = answer.percent, answer.turns
  end)
  return reading
end

function Reading:told()
  return words.amount(self.turns, "turn") .. " so far"
end

return Reading
