-- A finalizer by way of a prototype called Object.
-- where: action
-- expect: lua-error
-- text: __gc

function app:attack()
  session:prototype("Object", { __gc = function() while true do end end })
  for i = 1, 100 do session:prototype("P" .. i, {}) session:removePrototype("P" .. i) end
  for i = 1, 20000 do local t = { i } end
end
