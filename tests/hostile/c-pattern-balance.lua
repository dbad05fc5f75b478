-- Brackets that are never closed.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("("):rep(100000)
  while true do s:gsub("%b()", "") end
end
