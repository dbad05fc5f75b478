-- A finalizer by way of a prototype.
-- where: action
-- expect: lua-error
-- text: __gc

function app:attack()
  session:create(session:prototype("Final", { __gc = function() while true do end end }))
end
