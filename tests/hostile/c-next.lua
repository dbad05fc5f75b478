-- next over a table that was emptied.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 30000 do t["k" .. i] = 1 end
  for k in pairs(t) do t[k] = nil end
  while true do next(t) end
end
