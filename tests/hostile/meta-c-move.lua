-- table.move between tables whose metamethods are C functions.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = setmetatable({}, { __index = rawlen, __newindex = rawequal })
  while true do table.move(t, 1, 1e8, 2) end
end
