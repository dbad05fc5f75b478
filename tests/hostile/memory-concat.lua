-- table.concat of what is larger than memory.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000
-- memory: 4194304

function app:attack()
  local s = ("x"):rep(1000000)
  return table.concat({ s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s })
end
