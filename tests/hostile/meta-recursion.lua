-- Metamethods that recurse through C.
-- where: action
-- expect: lua-error
-- text: overflow

function app:attack()
  local mt = {}
  mt.__index = function(t, k) return t[k .. "x"] end
  return setmetatable({}, mt).x
end
