-- Many small objects: each takes a hundred times its text.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = "[" .. ("{\"\":0},"):rep(100000) .. "0]"
  while true do ui.json_decode(s) end
end
