-- A default that is looked at with metamethods.
-- where: action
-- expect: nothing

function app:attack()
  local loop = function() while true do end end
  local trap = setmetatable({}, { __pairs = loop, __index = loop, __eq = loop, __len = loop })
  session:prototype("Trap", { t = trap })
  session:prototype("Trap", { t = setmetatable({}, getmetatable(trap)), u = 1 })
end
