-- A new name in every path.
-- where: action
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  local i = 0
  while true do i = i + 1 session:destroyVariable(session:createVariable(1, "name" .. i)) end
end
