-- Names looked for in many functions around.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = {}
  for i = 1, 60 do t[#t + 1] = "local function f" .. i .. "() local a" .. i .. "a, b" .. i .. ", c" .. i .. ", d" .. i .. ", e" .. i .. ", g" .. i .. ", h" .. i end
  for i = 1, 20000 do t[#t + 1] = "x = y" end
  for i = 1, 60 do t[#t + 1] = "end" end
  local s = table.concat(t, "\n")
  while true do load(s) end
end
