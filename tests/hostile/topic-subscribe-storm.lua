-- Subscriptions come and go without end.
-- where: action
-- expect: limit
-- text: too often
-- gas: 10000000

function app:attack()
  while true do session:unwatch(session:subscribe("t", print)) end
end
