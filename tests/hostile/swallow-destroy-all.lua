-- A loop after destroying everything that could tell of it.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  for i = -5, 20 do if i > 5 then pcall(session.destroyVariable, session, i) end end
  while true do end
end
