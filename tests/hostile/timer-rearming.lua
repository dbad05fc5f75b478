-- Immediates that start two others each.
-- where: timer
-- expect: limit
-- text: gas limit

function app:attack()
  local function f() session:setImmediate(f) session:setImmediate(f) while true do end end
  f()
end
