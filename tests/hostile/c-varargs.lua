-- A hundred thousand arguments, passed on.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local function f(...) while true do g = select("#", ...) local x = ... end end
  f(table.unpack({}, 1, 100000))
end
