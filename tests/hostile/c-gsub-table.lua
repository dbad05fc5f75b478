-- A replacement table with a C function as __index.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("x"):rep(100000)
  while true do s:gsub(".", setmetatable({}, { __index = rawequal })) end
end
