-- Environments of running functions, replaced by traps.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local trap = setmetatable({}, { __index = function() while true do end end })
  setfenv(1, trap)
  return x
end
