-- A chain of variables, ten thousand deep.
-- where: action
-- expect: limit
-- text: gas limit
-- gas: 3000000

function app:attack()
  local v = session:getVariable(1)
  for i = 1, 2000 do v = session:createVariable(v, {}) end
  session:destroyVariable(-1)
  while true do end
end
