-- Unpacking a hundred thousand items.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 100000 do t[i] = i end
  while true do select("#", table.unpack(t)) end
end
