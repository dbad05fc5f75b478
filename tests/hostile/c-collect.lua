-- Asking for collections.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 10000 do t[i] = {} end
  while true do collectgarbage() collectgarbage("step", 1e9) collectgarbage("count") end
end
