-- Addresses without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local url = "/" .. ("x"):rep(1900)
  while true do pcall(session.navigate, session, url) end
end
