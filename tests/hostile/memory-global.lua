-- What is kept in globals until the session drops it.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  kept = {}
  for i = 1, 1e9 do kept[i] = "number " .. i end
end
