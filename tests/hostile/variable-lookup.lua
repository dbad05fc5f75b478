-- Variables looked for by objects that none shows.
-- where: action
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  for i = 1, 500 do session:createVariable(1, {}) end
  local t = {}
  while true do session:getVariable(t) end
end
