-- A text that doubles.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  local s = "x"
  while true do s = s .. s end
end
