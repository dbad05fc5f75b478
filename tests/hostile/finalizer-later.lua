-- A finalizer that is put into the metatable afterwards does not count.
-- where: action
-- expect: nothing

function app:attack()
  local mt = {}
  for i = 1, 2000 do setmetatable({}, mt) end
  mt.__gc = function() while true do end end
  for i = 1, 20000 do local t = { i } end
  app.n = 0
end
