-- Comparisons of long texts.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local a, b = ("a"):rep(500000) .. "a", ("a"):rep(500000) .. "b"
  while true do local x = a < b, a == b, a <= b end
end
