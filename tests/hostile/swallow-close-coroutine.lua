-- A __close in a coroutine that is closed from outside.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local mt = {}
  local t = setmetatable({}, mt)
  mt.__close = function() while true do end end
  local co = coroutine.create(function() local x <close> = t coroutine.yield() end)
  coroutine.resume(co)
  while true do pcall(coroutine.close, co) end
end
