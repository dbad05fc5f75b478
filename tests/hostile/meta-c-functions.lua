-- Metamethods that are C functions: no instruction is counted between them.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = setmetatable({}, { __index = rawlen, __newindex = rawequal, __len = function() return 1e9 end })
  return table.concat(t, "", 1, 1e9)
end
