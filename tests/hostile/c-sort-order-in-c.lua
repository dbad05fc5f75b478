-- A sort whose order is a C function, which costs no instructions of its own.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 2000 do t[i] = i * 7919 % 2003 end
  while true do table.sort(t, rawequal) end
end
