-- A plain search of half a megabyte in one.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s, n = ("a"):rep(1000000), ("a"):rep(500000) .. "b"
  while true do s:find(n, 1, true) end
end
