-- select from the end of many arguments.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local function f(...) while true do local x = select(-1, ...), select(50000, ...) end end
  f(table.unpack({}, 1, 100000))
end
