-- A watch of a property that never ends.
-- where: action
-- expect: limit 1
-- text: gas limit

function app:attack()
  session:watchProperty(1, "x", function() while true do end end)
  session:getVariable(1):setProperty("x", "1")
end
