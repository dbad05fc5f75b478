-- A __len that says a thousand million.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = setmetatable({}, { __len = function() return 1e9 end })
  table.insert(t, 1, 1)
end
