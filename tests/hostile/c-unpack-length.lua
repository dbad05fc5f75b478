-- The same for unpack and sort.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = setmetatable({}, { __len = function() return 1e9 end, __index = rawlen })
  while true do pcall(table.unpack, t, 1, 200000) pcall(table.sort, t, rawequal) end
end
