-- A binary chunk.
-- where: action
-- expect: lua-error
-- text: binary

function app:attack()
  return assert(load("\27Lua" .. ("x"):rep(100), "b", "b"))
end
