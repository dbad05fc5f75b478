-- A __call that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __call = function() while true do end end }
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  local x = t()
  return x
end
