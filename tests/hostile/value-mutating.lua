-- An object whose type changes at every question.
-- where: getter
-- expect: nothing

function app:attack()
  local i = 0
  return setmetatable({}, { __index = function(t, k) i = i + 1 if i % 3 == 0 then return { k } elseif i % 3 == 1 then return "T" .. i end end })
end
