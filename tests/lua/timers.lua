test("an immediate runs after the event, not in it", function(t)
  local ran = false
  session:setImmediate(function() ran = true end)
  t.eq(ran, false)
  t.later(5, function() t.eq(ran, true) end)
end)

test("timeouts run in the order in which they are due", function(t)
  local order = {}
  session:setTimeout(function() order[#order + 1] = "c" end, 9)
  session:setTimeout(function() order[#order + 1] = "a" end, 3)
  session:setTimeout(function() order[#order + 1] = "b" end, 6)
  t.later(20, function() t.eq(table.concat(order), "abc") end)
end)

test("a cleared timer does not run", function(t)
  local ran = 0
  local handle = session:setTimeout(function() ran = ran + 1 end, 1)
  local other = session:setInterval(function() ran = ran + 1 end, 1)
  session:clearTimeout(handle)
  session:clearInterval(other)
  session:clearInterval(other)
  session:clearTimeout(nil)
  session:clearTimeout(12345)
  t.later(10, function() t.eq(ran, 0) end)
end)

test("an interval goes on after an error", function(t)
  local ticks = 0
  local handle
  handle = session:setInterval(function()
    ticks = ticks + 1
    if ticks == 3 then session:clearInterval(handle) end
    error("tick " .. ticks)
  end, 2)
  t.later(60, function() t.eq(ticks, 3) end)
end)

test("a timer may start and clear others", function(t)
  local trail = {}
  local doomed = session:setTimeout(function() trail[#trail + 1] = "doomed" end, 8)
  session:setTimeout(function()
    session:clearTimeout(doomed)
    session:setImmediate(function() trail[#trail + 1] = "inner" end)
    trail[#trail + 1] = "outer"
  end, 2)
  t.later(25, function() t.eq(table.concat(trail, " "), "outer inner") end)
end)

test("nonsense is refused", function(t)
  t.fails("function expected", function() session:setTimeout(7, 1) end)
  t.fails("function expected", function() session:setInterval(nil, 1) end)
  t.fails("number expected", function() session:setTimeout(print, "soon") end)
  local handles = { session:setTimeout(function() end, -5), session:setTimeout(function() end, 0 / 0) }
  for _, handle in ipairs(handles) do session:clearTimeout(handle) end
  session:clearTimeout(session:setTimeout(function() end, 1e300))
end)

test("time stands still inside an event", function(t)
  local before, clock = os.time(), os.clock()
  local n = 0
  for i = 1, 100000 do n = n + i end
  t.eq(os.time(), before)
  t.eq(os.clock(), clock)
end)
