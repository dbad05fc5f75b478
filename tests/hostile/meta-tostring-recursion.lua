-- A __tostring that calls tostring.
-- where: action
-- expect: lua-error
-- text: overflow

function app:attack()
  local mt = {}
  mt.__tostring = function(t) return tostring(t) end
  return tostring(setmetatable({}, mt))
end
