-- The border of a table with holes.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 60000 do t[i] = i end
  for i = 1, 59999 do t[i] = nil end
  while true do local x = #t, rawlen(t) t[60000] = nil t[60000] = 1 end
end
