-- A hundred thousand arguments through pcall of pcall of pcall.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local args = {}
  for i = 1, 150 do args[i] = pcall end
  args[151] = type
  for i = 152, 100000 do args[i] = i end
  while true do pcall(table.unpack(args)) end
end
