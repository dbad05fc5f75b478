-- An error object whose __tostring raises such an object.
-- where: action
-- expect: lua-error

function app:attack()
  local mt = {}
  mt.__tostring = function() error(setmetatable({}, mt)) end
  error(setmetatable({}, mt))
end
