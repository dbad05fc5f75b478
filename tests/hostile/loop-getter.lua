-- A getter that never ends.
-- where: getter
-- expect: limit
-- text: gas limit

function app:attack()
  while true do end
end
