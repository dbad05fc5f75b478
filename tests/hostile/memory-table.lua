-- A table that grows.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  local t = {}
  for i = 1, 1e9 do t[i] = i end
end
