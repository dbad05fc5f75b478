-- Remainders of the largest by the smallest float.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local a, b = 1.7e308, 5e-324
  while true do local x = a % b, a % b, a % b, a % b, math.fmod(a, b) end
end
