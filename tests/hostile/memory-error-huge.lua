-- An error message of half a megabyte that nobody catches.
-- where: action
-- expect: lua-error

function app:attack()
  error(("\xff"):rep(500000))
end
