-- The same with other steps, for every size of table.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 16000 do t[i * 16383] = i end
  while true do for i = 1, 16000 do t[i * 16383] = i end end
end
