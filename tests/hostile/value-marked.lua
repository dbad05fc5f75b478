-- An array by its metatable, with a length that lies.
-- where: getter
-- expect: nothing

function app:attack()
  return setmetatable({}, { __array = true, __len = function() return 1e9 end, __index = function(t, i) return i end })
end
