-- A replacement that multiplies.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  return (("x"):rep(10000):gsub("x", ("y"):rep(10000)))
end
