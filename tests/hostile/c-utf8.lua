-- The utf8 library over a megabyte.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("\u{20ac}"):rep(100000)
  while true do utf8.len(s) utf8.offset(s, -1) utf8.codepoint(s, 1, 1) end
end
