-- A finalizer by way of a registered type.
-- where: action
-- expect: lua-error
-- text: __gc

function app:attack()
  local T = { __gc = function() while true do end end }
  T.__index = T
  ui.registerWrapper("Gone", T)
  session:create(T)
end
