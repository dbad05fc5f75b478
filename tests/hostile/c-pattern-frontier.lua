-- Frontiers and sets at each place.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("a b"):rep(30000)
  while true do s:gsub("%f[%w]%w+%f[%W]", "%0") end
end
