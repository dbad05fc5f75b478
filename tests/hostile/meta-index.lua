-- A __index that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __index = function() while true do end end }
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  local x = t.x
  return x
end
