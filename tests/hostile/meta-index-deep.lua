-- A chain of __index, a hundred thousand deep.
-- where: action
-- expect: lua-error
-- text: loop
-- gas: 10000000
-- memory: 33554432

function app:attack()
  local t = {}
  for i = 1, 100000 do t = setmetatable({}, { __index = t }) end
  return t.x
end
