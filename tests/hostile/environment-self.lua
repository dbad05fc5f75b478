-- Variables and handles as keys, and metatables of handles.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local v = session:getVariable(1)
  local t = {}
  while true do t[v] = v == v, v < v, v <= v, tostring(v), pcall(function() v.x = 1 end), getmetatable(v) end
end
