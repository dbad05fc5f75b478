-- Recursion as deep as memory.
-- where: action
-- expect: limit
-- gas: 10000000

function app:attack()
  local function f() return 1 + f() end
  return f()
end
