-- A pattern that backtracks for ever.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  return ("a"):rep(5000):find(("a*"):rep(20) .. "b")
end
