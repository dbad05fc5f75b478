-- Variables made and destroyed.
-- where: action
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  while true do session:destroyVariable(session:createVariable(1, {})) end
end
