-- Forgetting what is not there, without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do
    session:unloadModule("x")
    session:unloadDirectory("x")
    session:removePrototype("X", true)
  end
end
