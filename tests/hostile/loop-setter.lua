-- A setter that never ends.
-- where: setter
-- expect: limit
-- text: gas limit

function app:attack(value)
  while true do end
end
