-- Floats with 99 digits.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do local s = ("%99.99f%99.99f%.99e%a"):format(1e308, 1e-308, 1.1, 0.1) end
end
