local function both(value) return ui.json_decode(ui.json_encode(value)) end

test("JSON comes back as it went", function(t)
  local value = both({ a = { 1, 2.5, -3 }, b = { c = true, d = false }, e = "ü\n\"\\\0", [1] = nil })
  t.eq(value.a[2], 2.5)
  t.eq(value.a[3], -3)
  t.eq(math.type(value.a[1]), "integer")
  t.eq(value.b.c, true)
  t.eq(value.b.d, false)
  t.eq(value.e, "ü\n\"\\\0")
end)

test("equal tables give equal texts", function(t)
  local a, b = {}, {}
  for i = 1, 100 do a["k" .. i], b["k" .. 101 - i] = i, 101 - i end
  t.eq(ui.json_encode(a), ui.json_encode(b))
  t.eq(ui.json_encode({ _private = 1, f = print, z = 1, a = 2 }), '{"a":2,"f":null,"z":1}')
end)

test("numbers", function(t)
  t.eq(ui.json_encode(3.0), "3")
  t.eq(ui.json_encode(0.1), "0.1")
  t.eq(ui.json_encode(1e300), "1e300")
  t.eq(ui.json_encode(-0.0), "0")
  t.eq(ui.json_encode(2 ^ 53), "9007199254740992")
  t.eq(ui.json_encode(math.maxinteger), "9223372036854775807")
  local _, problem = ui.json_encode(1 / 0)
  t.ok(problem:find("infinity"))
end)

test("arrays and objects", function(t)
  t.eq(ui.json_encode({}), "{}")
  t.eq(ui.json_encode({ 1, nil, 3 }), "[1,null,3]")
  t.eq(ui.json_encode({ {}, { {} } }), "[{},[{}]]")
  t.eq(ui.json_encode({ 1, x = 2 }), '{"x":2}')
end)

test("what cannot be written or read says so", function(t)
  local cycle = {}
  cycle.self = cycle
  local nothing, problem = ui.json_encode(cycle)
  t.eq(nothing, nil)
  t.ok(problem:find("contains itself", 1, true))
  nothing, problem = ui.json_encode("\255")
  t.ok(nothing == nil and problem:find("UTF-8", 1, true))
  for _, text in ipairs({ "", "{", "[1,]", "nul", '"\\x"', "{'a':1}", ("["):rep(1000) }) do
    nothing, problem = ui.json_decode(text)
    t.ok(nothing == nil and #problem > 0)
  end
end)

test("deep but not too deep", function(t)
  local deep = 1
  for _ = 1, 90 do deep = { deep } end
  t.eq(#ui.json_encode(deep), 181)
  for _ = 1, 90 do deep = { deep } end
  local _, problem = ui.json_encode(deep)
  t.ok(problem:find("deep"))
end)

test("types are found by the name they were registered with", function(t)
  local T = { new = function() return {} end }
  ui.registerWrapper("Some.Wrapper", T)
  ui.registerPresenter("Some.Presenter", T)
  t.app.scratch = { thing = 1 }
  local v = session:createVariable(1, "scratch.thing", { wrapper = "Some.Wrapper" })
  session:watchVariable(v, function() end)
  t.later(1, function()
    t.ok(type(v:getWrapper()) == "table")
    session:destroyVariable(v)
  end)
end)
