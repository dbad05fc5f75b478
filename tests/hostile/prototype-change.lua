-- A prototype that is changed again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local i = 0
  while true do i = i + 1 session:prototype("P", { i = i, t = { i, { i } } }) end
end
