-- Tail calls need no stack.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local function f() return f() end
  return f()
end
