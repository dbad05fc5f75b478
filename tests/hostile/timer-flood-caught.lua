-- Timers set and cleared.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do session:clearTimeout(session:setTimeout(function() end, 1)) end
end
