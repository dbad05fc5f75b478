-- Gotos to labels that come much later.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 5000 do t[i] = "do goto l" .. i .. " end" end
  for i = 1, 5000 do t[#t + 1] = "::l" .. i .. "::" end
  local s = table.concat(t, "\n")
  while true do load(s) end
end
