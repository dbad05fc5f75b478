-- A table that contains itself, encoded.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  t.t = t
  while true do ui.json_encode(t) end
end
