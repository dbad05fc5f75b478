-- A log without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do session:log(0, "x") print("y") ui.log(0, "z") end
end
