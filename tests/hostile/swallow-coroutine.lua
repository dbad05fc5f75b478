-- Coroutines that are cut, one after the other.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do coroutine.resume(coroutine.create(function() while true do end end)) end
end
