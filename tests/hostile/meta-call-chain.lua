-- A table that is called by way of itself: one call that moves its arguments for ever.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = {}
  local t = setmetatable({}, mt)
  mt.__call = t
  t()
end
