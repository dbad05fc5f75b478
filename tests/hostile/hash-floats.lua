-- Floats that all fall into the same place.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 16000 do t[2.0 ^ -(i % 1000) * (1 + i / 65536 / 65536)] = i end
  while true do for k in pairs(t) do t[k] = 1 end end
end
