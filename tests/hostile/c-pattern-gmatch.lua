-- Iterators of gmatch, of which only the first step is taken.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("a"):rep(1000000)
  while true do s:gmatch("()a*()")() end
end
