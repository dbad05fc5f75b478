-- A comparator that says whatever comes.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 5000 do t[i] = i end
  while true do pcall(table.sort, t, function() return math.random() < 0.5 end) end
end
