-- A protected metatable with everything in it.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = { __metatable = false, __name = ("n"):rep(100000) }
  mt.__index = mt
  local t = setmetatable({}, mt)
  while true do pcall(setmetatable, t, {}) pcall(error, t) pcall(function() return t < t end) end
end
