-- A chunk name of half a megabyte, and syntax errors in it.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local n = ("n"):rep(300000)
  while true do load("x y " .. n, n) load("=", "=" .. n) end
end
