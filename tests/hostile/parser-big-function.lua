-- Errors in a function of two hundred thousand instructions: looking for the name walks through all of it.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = { "local f, n = ... if n then" }
  for i = 1, 30000 do t[#t + 1] = "n = n" end
  t[#t + 1] = "end return n + 1"
  local f = load(table.concat(t, " "))
  while true do pcall(f) end
end
