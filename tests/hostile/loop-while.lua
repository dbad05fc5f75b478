-- A loop that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do end
end
