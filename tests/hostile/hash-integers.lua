-- Integer keys that all fall into the same place.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t, keys = {}, {}
  local size = 2 ^ 14 - 1
  for i = 1, 8000 do keys[i] = math.tointeger(i * size * 65536 // 1 * 1) end
  for i = 1, 8000 do t[keys[i]] = true end
  while true do for i = 1, 8000 do local x = t[keys[i]] end end
end
