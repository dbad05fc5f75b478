-- Comparisons of texts of 255 bytes.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local a, b = ("a"):rep(254) .. "a", ("a"):rep(254) .. "b"
  while true do local x = a < b, a > b, a <= b, a >= b end
end
