-- Brackets without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("["):rep(500000)
  while true do ui.json_decode(s) end
end
