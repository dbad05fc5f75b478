-- A format that multiplies.
-- where: action
-- expect: limit
-- text: not enough memory

function app:attack()
  local s = ("x"):rep(500000)
  return (("%s"):rep(50)):format(table.unpack(setmetatable({}, { __index = function() return s end }), 1, 50))
end
