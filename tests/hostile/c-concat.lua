-- Concatenating many empty texts.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 30000 do t[i] = "" end
  while true do table.concat(t) table.concat(t, "", 1, 100) end
end
