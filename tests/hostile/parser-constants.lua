-- A chunk of many constants.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = { "return {" }
  for i = 1, 20000 do t[#t + 1] = "\"k" .. i .. "\"," end
  t[#t + 1] = "}"
  local s = table.concat(t)
  while true do load(s) end
end
