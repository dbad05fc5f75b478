test("init becomes the prototype", function(t)
  local init = { name = "x" }
  local P = session:prototype("P1", init)
  t.eq(P, init)
  t.eq(P.type, "P1")
  t.eq(P.__index, P)
end)

test("a default new makes instances", function(t)
  local P = session:prototype("P2", { name = "none", list = EMPTY })
  local a, b = P:new(), P:new({ name = "b" })
  t.eq(a.name, "none")
  t.eq(b.name, "b")
  t.eq(a.list, nil)
  t.eq(getmetatable(a), P)
  t.eq(a.type, "P2")
end)

test("an own new stays", function(t)
  local P = session:prototype("P3", { new = function(self, n) return session:create(self, { n = n * 2 }) end })
  t.eq(P:new(4).n, 8)
end)

test("the same name gives the same prototype", function(t)
  local P = session:prototype("P4", { a = 1 })
  t.eq(session:prototype("P4"), P)
  t.eq(session:prototype("P4", { a = 1 }), P)
end)

test("changed defaults are copied into it", function(t)
  local P = session:prototype("P5", { a = 1, gone = true })
  local instance = P:new()
  session:prototype("P5", { a = 2, b = "new" })
  t.eq(instance.a, 2)
  t.eq(instance.b, "new")
  t.eq(P.gone, nil)
end)

test("fresh empty tables are no change", function(t)
  local P = session:prototype("P6", { rows = {} })
  local rows = P.rows
  session:prototype("P6", { rows = {} })
  t.eq(P.rows, rows)
end)

test("a base is inherited from", function(t)
  local Base = session:prototype("P7.Base", { kind = "base" })
  function Base:hello() return "hello from " .. self.kind end
  local Derived = session:prototype("P7.Derived", { kind = "derived" }, Base)
  t.eq(Derived:new():hello(), "hello from derived")
  local Named = session:prototype("P7.Named", {}, "P7.Base")
  t.eq(Named:new():hello(), "hello from base")
end)

test("removing forgets the name, and those below it", function(t)
  local P = session:prototype("P8", { a = 1 })
  local Child = session:prototype("P8.Child", {})
  session:removePrototype("P8")
  t.ok(session:prototype("P8", { a = 1 }) ~= P)
  t.eq(session:prototype("P8.Child"), Child)
  session:removePrototype("P8", true)
  t.ok(session:prototype("P8.Child", {}) ~= Child)
end)

test("nonsense is refused with what was expected", function(t)
  t.fails("the first argument is the type's name", function() session:prototype(7) end)
  t.fails("a table of fields", function() session:prototype("P9", 7) end)
  t.fails("the base is a prototype", function() session:prototype("P9", {}, 7) end)
  t.fails("no type of the base's name", function() session:prototype("P9", {}, "P9.None") end)
  t.fails("the first argument is a prototype", function() session:create(7) end)
  t.fails("the instance is a table", function() session:create({}, 7) end)
  t.fails("__gc", function() session:create({ __gc = print }) end)
end)

test("metamethods of a prototype work on its instances", function(t)
  local V = session:prototype("Vector", { x = 0, y = 0 })
  V.__add = function(a, b) return V:new({ x = a.x + b.x, y = a.y + b.y }) end
  V.__eq = function(a, b) return a.x == b.x and a.y == b.y end
  V.__tostring = function(v) return v.x .. "," .. v.y end
  V.__call = function(v, n) return v.x * n end
  V.__len = function() return 2 end
  local sum = V:new({ x = 1, y = 2 }) + V:new({ x = 3, y = 4 })
  t.ok(sum == V:new({ x = 4, y = 6 }))
  t.eq(tostring(sum), "4,6")
  t.eq(sum(10), 40)
  t.eq(#sum, 2)
end)
