-- More messages than one event may publish.
-- where: action
-- expect: limit
-- text: publishes too much

function app:attack()
  while true do session:publish("t", 1) end
end
