-- Coroutines that pass a hundred thousand values.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local co = coroutine.wrap(function(...) while true do coroutine.yield(...) end end)
  local t = {}
  for i = 1, 50000 do t[i] = i end
  while true do co(table.unpack(t)) end
end
