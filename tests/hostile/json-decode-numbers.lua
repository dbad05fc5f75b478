-- Long numbers and escapes.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = "[" .. ("1.234567890123456789e-300,\"\\u00e9\\ud83d\\ude00\","):rep(5000) .. "0]"
  while true do ui.json_decode(s) end
end
