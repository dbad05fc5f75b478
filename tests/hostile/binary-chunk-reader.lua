-- A binary chunk, byte for byte.
-- where: action
-- expect: lua-error
-- text: binary

function app:attack()
  local i = 0
  return assert(load(function() i = i + 1 return ("\27LuaT"):sub(i, i) end, "b", "bt"))
end
