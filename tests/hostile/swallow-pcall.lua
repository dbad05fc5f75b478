-- A loop of pcall around loops.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do pcall(function() while true do end end) end
end
