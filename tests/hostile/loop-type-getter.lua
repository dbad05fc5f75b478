-- A type name whose __index never ends, while the object is shown.
-- where: getter
-- expect: limit
-- text: gas limit

function app:attack()
  return setmetatable({}, { __index = function() while true do end end })
end
