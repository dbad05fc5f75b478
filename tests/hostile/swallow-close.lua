-- A __close that never ends, closed by an error.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = {}
  local t = setmetatable({}, mt)
  mt.__close = function() while true do end end
  local x <close> = t
  error("now")
end
