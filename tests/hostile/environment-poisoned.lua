-- _ENV and _G replaced.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local loop = function() while true do end end
  setmetatable(_G, { __index = loop, __newindex = loop, __metatable = false })
  _ENV = setmetatable({}, { __index = loop })
  return x
end
