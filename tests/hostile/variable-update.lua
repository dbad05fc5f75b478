-- A handle that writes to itself without end.
-- where: action
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  local v = session:createVariable(1, "n")
  while true do v:update(1) v:getValue() v:getProperty("x") v:getError() v:getWrapper() end
end
