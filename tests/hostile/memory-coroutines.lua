-- Coroutines, all suspended.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  local t = {}
  while true do local co = coroutine.wrap(function() coroutine.yield() end) co() t[#t + 1] = co end
end
