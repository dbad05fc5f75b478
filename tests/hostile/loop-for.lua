-- A numeric loop up to infinity.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  for i = 1, math.huge do end
end
