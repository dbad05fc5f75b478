-- A thousand timers that all never end.
-- where: timer
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  for i = 1, 900 do session:setTimeout(function() while true do end end, 1) end
end
