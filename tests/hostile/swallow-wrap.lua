-- The same with wrap and pcall.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do pcall(coroutine.wrap(function() while true do end end)) end
end
