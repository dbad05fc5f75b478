-- A __len that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __len = function() while true do end end }
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  local x = #t
  return x
end
