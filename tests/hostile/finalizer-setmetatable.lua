-- A finalizer.
-- where: action
-- expect: lua-error
-- text: '__gc' is not available

function app:attack()
  setmetatable({}, { __gc = function() while true do end end })
end
