-- A coroutine that was cut is closed by a timer: its __close runs under that budget.
-- where: timer
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = {}
  local t = setmetatable({}, mt)
  mt.__close = function() while true do end end
  local co = coroutine.create(function() local x <close> = t coroutine.yield() end)
  coroutine.resume(co)
  session:setTimeout(function() coroutine.close(co) end, 1)
end
