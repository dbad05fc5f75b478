test("a module is loaded once and gives what it returned", function(t)
  local a, b = require("helpers.counting"), require("helpers.counting")
  t.eq(a, b)
  t.eq(a.loads, 1)
end)

test("a cycle sees true", function(t)
  local one = require("helpers.one")
  t.eq(one.seen, true)
end)

test("a missing module names the places", function(t)
  t.fails("lua/no/such.lua", require, "no.such")
  t.fails("lua/no/such/init.lua", require, "no.such")
  t.fails("no/such.lua", require, "no.such")
end)

test("no way out of the site", function(t)
  for _, name in ipairs({ "../main", "/etc/passwd", "..", "", "helpers\0counting", "lua.main\n" }) do
    t.fails("not found", require, name)
  end
end)

test("a failing module fails each time and says where", function(t)
  t.fails("helpers/failing.lua:3: on purpose", require, "helpers.failing")
  t.fails("helpers/failing.lua:3: on purpose", require, "helpers.failing")
  t.eq(failing_loads, 2)
end)

test("bad syntax names file and line", function(t)
  t.fails("helpers/broken.lua:2:", require, "helpers.broken")
end)

test("what old code expects is there", function(t)
  t.eq(unpack, table.unpack)
  t.eq(loadstring("return 1 + 1")(), 2)
  t.eq(table.getn({ 1, 2, 3 }), 3)
  t.eq(math.pow(2, 10), 1024)
  t.eq(tostring(10 / 2), "5")
  t.eq(string.format("%d", 3.5), "3")
end)

test("what could hurt others is not", function(t)
  for _, name in ipairs({ "dofile", "loadfile", "jit", "package" }) do t.eq(_G[name], nil) end
  for _, name in ipairs({ "exit", "setlocale" }) do t.eq(os[name], nil) end
  for name in pairs(debug) do t.eq(name, "traceback") end
  t.eq(string.dump, nil)
  local nothing, problem = load("\27Lua")
  t.ok(nothing == nil and problem:find("binary"))
end)
