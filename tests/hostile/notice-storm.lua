-- Notices without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local text = ("x"):rep(1000)
  while true do pcall(session.notify, session, text) end
end
