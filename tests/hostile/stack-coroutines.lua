-- Coroutines in coroutines.
-- where: action
-- expect: lua-error
-- text: attack.lua

function app:attack()
  local function f() return coroutine.wrap(f)() end
  return f()
end
