-- A timeout that never ends.
-- where: timer
-- expect: limit
-- text: gas limit

function app:attack()
  session:setTimeout(function() while true do end end, 1)
end
