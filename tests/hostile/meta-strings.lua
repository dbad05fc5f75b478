-- The metatable of strings, taken over.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = getmetatable("")
  mt.__index = function(s, k) while true do end end
  return ("x"):upper()
end
