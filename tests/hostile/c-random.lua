-- Random numbers and seeds.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do math.random() math.random(1, 3) math.randomseed(1) end
end
