-- Properties without end.
-- where: action
-- expect: limit
-- text: properties
-- keeps

function app:attack()
  local app, i = session:getVariable(1), 0
  while true do i = i + 1 app:setProperty("p" .. i, "x") end
end
