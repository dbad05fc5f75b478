-- Subscriptions to ever new topics.
-- where: action
-- expect: limit
-- text: watches, the most
-- gas: 3000000
-- keeps

function app:attack()
  local n = 0
  while true do n = n + 1; session:subscribe(("topic "):rep(30) .. n, print) end
end
