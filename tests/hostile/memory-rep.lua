-- One huge text.
-- where: action
-- expect: limit
-- text: not enough memory

function app:attack()
  return ("x"):rep(1e9)
end
