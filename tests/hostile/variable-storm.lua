-- Variables without end.
-- where: action
-- expect: limit
-- gas: 10000000
-- memory: 16777216
-- keeps

function app:attack()
  while true do session:createVariable(1, {}) end
end
