-- Inserting in front of many.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 30000 do t[i] = i end
  while true do table.insert(t, 1, 1) table.remove(t, 1) end
end
