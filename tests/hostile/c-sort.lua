-- Sorting, again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 20000 do t[i] = -i end
  while true do table.sort(t) end
end
