-- Metamethods of an array that is shown.
-- where: getter
-- expect: nothing

function app:attack()
  return setmetatable({ 1, 2, 3 }, { __len = function() while true do end end, __pairs = function() while true do end end })
end
