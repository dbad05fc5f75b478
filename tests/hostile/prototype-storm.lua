-- Prototypes without end.
-- where: action
-- expect: limit
-- keeps

function app:attack()
  local i = 0
  while true do i = i + 1 session:prototype("P" .. i, { a = { b = { c = 1 } } }) end
end
