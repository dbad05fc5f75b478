-- A __newindex that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __newindex = function() while true do end end }
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  local x = (function() t.x = 1 end)()
  return x
end
