-- A bomb that catches its own failures: each makes Lua collect everything.
-- where: action
-- expect: limit
-- text: gas limit
-- gas: 10000000

function app:attack()
  local t = {}
  while true do pcall(function() while true do t[#t + 1] = {} end end) end
end
