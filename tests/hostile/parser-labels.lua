-- Labels and gotos, each of which is looked for among all.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 20000 do t[i] = "goto l" .. i .. " ::l" .. i .. "::" end
  local s = table.concat(t, "\n")
  while true do load(s) end
end
