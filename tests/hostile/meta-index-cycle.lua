-- A cycle of __index.
-- where: action
-- expect: lua-error
-- text: loop

function app:attack()
  local a, b = {}, {}
  setmetatable(a, { __index = b })
  setmetatable(b, { __index = a })
  return a.x
end
