-- Paths of half a megabyte.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local p = ("a."):rep(100000) .. "b"
  while true do session:destroyVariable(session:createVariable(1, p .. "?x=y")) end
end
