-- Many zeros.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = "[" .. ("0,"):rep(300000) .. "0]"
  while true do ui.json_decode(s) end
end
