-- An interval that never ends, each time.
-- where: timer
-- expect: limit
-- text: gas limit

function app:attack()
  session:setInterval(function() while true do end end, 1)
end
