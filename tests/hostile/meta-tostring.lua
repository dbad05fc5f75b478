-- A __tostring that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __tostring = function() while true do end end }
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  local x = tostring(t)
  return x
end
