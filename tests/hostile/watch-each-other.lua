-- Watches of properties that set each other off.
-- where: action
-- expect: limit 1
-- text: too much at once
-- keeps

function app:attack()
  local app = session:getVariable(1)
  session:watchProperty(1, "a", function() app:setProperty("b", "1") app:setProperty("b", "2") end)
  session:watchProperty(1, "b", function() app:setProperty("a", "1") app:setProperty("a", "2") end)
  app:setProperty("a", "0")
end
