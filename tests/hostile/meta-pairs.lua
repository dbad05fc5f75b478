-- A __pairs that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __pairs = function() while true do end end }
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  local x = pairs(t)
  return x
end
