-- Functions of large numbers.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do local x = math.sin(1e300), math.tan(1e22), math.pow(1.0000001, 1e9), math.exp(700), math.log(5e-324), 3 ^ 0.7 end
end
