-- The same with a local in each round.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  repeat local x = 1 until false
end
