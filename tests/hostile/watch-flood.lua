-- As many watches as there may be, and more.
-- where: action
-- expect: limit
-- text: watches
-- gas: 10000000
-- keeps

function app:attack()
  while true do session:watchProperty(1, "x", print) end
end
