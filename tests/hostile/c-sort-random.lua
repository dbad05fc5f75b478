-- Sorting with a C function as the comparator.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 20000 do t[i] = i % 7 end
  while true do pcall(table.sort, t, math.ult) end
end
