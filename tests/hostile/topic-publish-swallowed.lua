-- Publishing goes on although it is refused.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do pcall(session.publish, session, "t", { 1, 2, 3 }) end
end
