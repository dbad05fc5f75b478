-- A handler that never ends, of an error that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do xpcall(function() while true do end end, function() while true do end end) end
end
