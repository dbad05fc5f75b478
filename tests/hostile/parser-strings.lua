-- Long strings and escapes.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local s = "return '" .. ("\\x41\\z  \\u{7fffffff}"):rep(30000) .. "'"
  while true do load(s) end
end
