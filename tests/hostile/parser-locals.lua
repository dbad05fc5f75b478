-- Functions with two hundred locals, each of which is looked for.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 190 do t[i] = "local a" .. i .. " = 1" end
  for i = 1, 20000 do t[#t + 1] = "x = y" end
  local s = table.concat(t, "\n")
  while true do load(s) end
end
