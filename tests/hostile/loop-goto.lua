-- A loop of gotos.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  ::again:: goto again
end
