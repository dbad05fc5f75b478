-- Watches made and ended.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do session:unwatch(session:watchVariable(1, print)) session:unwatch(session:watchProperty(1, "p", print)) end
end
