-- A text longer than there are numbers.
-- where: action
-- expect: lua-error
-- text: too large

function app:attack()
  return ("x"):rep(1 << 40, ("y"):rep(1000))
end
