-- Characters out of a hundred thousand arguments.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local function f(...) while true do utf8.char(...) string.char(...) math.max(...) math.min(...) end end
  local t = {}
  for i = 1, 50000 do t[i] = 65 end
  f(table.unpack(t))
end
