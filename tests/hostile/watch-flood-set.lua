-- Ten thousand watches of one property that is set again and again.
-- where: action
-- expect: limit 1
-- text: gas limit
-- gas: 2000000
-- keeps

function app:attack()
  for i = 1, 5000 do session:watchProperty(1, "x", function() while true do end end) end
  local app = session:getVariable(1)
  for i = 1, 100 do app:setProperty("x", tostring(i)) end
end
