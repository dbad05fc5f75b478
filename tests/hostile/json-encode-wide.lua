-- Objects of many fields, sorted each time.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 5000 do t["key" .. i] = i end
  while true do ui.json_encode(t) end
end
