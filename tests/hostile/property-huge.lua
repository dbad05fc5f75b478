-- Properties of half a megabyte.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local app, s = session:getVariable(1), ("x"):rep(500000)
  while true do app:setProperty("p", s .. math.random(9)) end
end
