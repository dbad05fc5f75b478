-- Bytes of a long text.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local s = ("a"):rep(100000)
  while true do select("#", s:byte(1, 100000)) end
end
