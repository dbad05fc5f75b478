-- As many timers as there may be, and more.
-- where: action
-- expect: limit
-- text: timers
-- keeps

function app:attack()
  while true do session:setTimeout(function() end, 1) end
end
