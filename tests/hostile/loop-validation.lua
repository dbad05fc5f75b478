-- What a setter refuses, field by field, with a loop in the table.
-- where: setter
-- expect: invalid

function app:attack(value)
  return nil, setmetatable({ a = "b" }, { __index = function() while true do end end, __pairs = function() while true do end end })
end
