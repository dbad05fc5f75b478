-- Environments of functions with many upvalues.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local source = {}
  for i = 1, 200 do source[i] = "local a" .. i .. " = 1" end
  source[201] = "return function() return a1"
  for i = 2, 200 do source[#source + 1] = " + a" .. i end
  source[#source + 1] = " + b end"
  local f = load(table.concat(source, "\n"))()
  while true do getfenv(f) end
end
