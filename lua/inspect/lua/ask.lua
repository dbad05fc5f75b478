-- ask: questions to the recording. Answers are tables.

local ask = {}

--- The answer to `question`, or nil and why there is none.
function ask.now(question)
  local answer, why = session:readFile(question)
  if not answer then return nil, why end
  return ui.json_decode(answer)
end

--- Asks until the answer is there, and then calls `tell(answer)`. Meanwhile `wait(answer)` hears how far it is.
--- Returns a function that gives up: what is asked of one turn is of no use at the next.
function ask.patiently(question, tell, wait)
  local timer
  local function try()
    local answer, why = ask.now(question)
    if not answer then
      tell(nil, why)
    elseif answer.pending or answer.done == false then
      wait(answer)
      timer = session:setTimeout(try, 0)
    else
      tell(answer)
    end
  end
  timer = session:setTimeout(try, 0)
  return function() session:clearTimeout(timer) end
end

return ask
