-- Sorting long texts that only differ at the end.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local s, t = ("a"):rep(100000), {}
  for i = 1, 20 do t[i] = s .. i end
  while true do table.sort(t) t[1], t[20] = t[20], t[1] end
end
