-- A timer that clears all others while they are due.
-- where: timer
-- expect: nothing

function app:attack()
  for i = 1, 100 do session:setTimeout(function() for j = 1, 200 do session:clearTimeout(j) end end, 1) end
end
