-- Large messages, each refused after it was written.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local big = ("x"):rep(300000)
  while true do pcall(session.publish, session, "t", big) end
end
