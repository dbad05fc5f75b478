-- updateProperties with tables of all kinds.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local v = session:getVariable(1)
  while true do v:updateProperties({ a = 1, [{}] = 2, [1] = 3, ["b:high"] = {}, c = true }) v:updateProperties({ a = "", b = "", c = "" }) end
end
