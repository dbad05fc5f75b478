-- A finalizer by way of the base of a prototype.
-- where: action
-- expect: lua-error
-- text: __gc

function app:attack()
  session:prototype("Base", {}, { __gc = function() while true do end end })
  for i = 1, 100000 do session:prototype("Sub" .. i % 10, nil, { __gc = error }) session:removePrototype("Sub" .. i % 10) end
end
