-- Floats made text and back.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do local s = 0.1 .. "" .. 1e300 .. -1.5e-300 local x = s:len() + "4.9406564584124654e-324" end
end
