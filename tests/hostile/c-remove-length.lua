-- The same for remove.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = setmetatable({}, { __len = function() return 1e9 end })
  table.remove(t, 1)
end
