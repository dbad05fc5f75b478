-- Repetitions.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do local a, b, c = (""):rep(1e9), ("x"):rep(100000), ("ab"):rep(50000, ",") end
end
