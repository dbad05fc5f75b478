//! What sessions do with Lua: code that defines `step(number)`, and more and more of what is hard to carry.

/// Name and code.
pub const BATTERY: &[(&str, &str)] = &[
    (
        "plain",
        "local n = 0 function step(i) n = n + i return n .. tostring({}) .. tostring(step) end",
    ),
    (
        "closures",
        r#"
local pairs_of = {}
for i = 1, 20 do
  local shared = i
  pairs_of[i] = {function(n) shared = shared + n end, function() return shared end}
end
function step(i)
  local out = {}
  for k, two in ipairs(pairs_of) do two[1](i * k) out[k] = two[2]() end
  return table.concat(out, ' ')
end"#,
    ),
    (
        "coroutines",
        r#"
local keyed = {}
for i = 1, 40 do keyed['k' .. i * 7919] = i keyed[{}] = i end
local walker = coroutine.wrap(function()
  while true do for k, v in pairs(keyed) do coroutine.yield(v) end end
end)
local guarded = coroutine.create(function(...)
  local n = select('#', ...)
  while true do
    local kept = {n}
    n = n + #kept
    local ok, why = pcall(function(a) local b = coroutine.yield(a) error({b}) end, n)
    local fine, text = xpcall(function() coroutine.yield('x') error('inner ' .. n) end, function(m) return m .. '!' end)
    coroutine.yield(tostring(ok) .. type(why) .. tostring(why[1]) .. tostring(fine) .. text)
  end
end)
local odd = setmetatable({}, {__pairs = function(t) coroutine.yield('pairs') return next, {5}, nil end,
  __index = function(t, k) return coroutine.yield(k) end,
  __lt = function(a, b) return coroutine.yield('less') end,
  __concat = function(a, b) return tostring(coroutine.yield('joined')) end})
local meta = coroutine.wrap(function()
  while true do
    local seen = 0
    for k, v in pairs(odd) do seen = seen + v end
    seen = seen + (odd[seen] or 0)
    coroutine.yield((odd < odd and 1 or 2) .. seen .. ('a' .. odd .. 'b'))
  end
end)
local many = coroutine.wrap(function(...)
  local a, b = ...
  while true do a, b = coroutine.yield(select('#', ...), a, (select(2, ...))) end
end)
local dead = coroutine.create(function() local x = nil; return x.y end)
coroutine.resume(dead)
local waiting = coroutine.create(function(a, b) return a + b end)
function step(i)
  local out = {}
  for j = 1, 7 do
    out[#out + 1] = tostring(walker())
    out[#out + 1] = tostring(select(2, coroutine.resume(guarded, i, j)))
    out[#out + 1] = tostring(meta(j))
    out[#out + 1] = table.concat({many(i, j, 'three')}, '/')
  end
  out[#out + 1] = coroutine.status(dead) .. debug.traceback(dead) .. coroutine.status(waiting)
  if i == 9 then out[#out + 1] = tostring(select(2, coroutine.resume(waiting, 3, 4))) end
  return table.concat(out, ' ')
end"#,
    ),
    (
        "keys",
        r#"
local t = {}
for name, f in pairs(_G) do if type(f) == 'function' then t[f] = name end end
for _, library in ipairs {string, table, math, coroutine, os, utf8} do
  for name, f in pairs(library) do if type(f) == 'function' then t[f] = name end end
end
t[ipairs {}], t[utf8.codes ''], t[('x'):gmatch '.'], t[1.5], t[-0.0], t[true] = 'i', 'c', 'g', 1, 2, 3
for i = 1, 60 do t[{}] = i t[function() return i end] = i t['s' .. i] = i t[coroutine.create(next)] = i end
function step(i)
  t['s' .. i] = nil t[i] = i t[{}] = -i
  local out = {}
  for k, v in pairs(t) do out[#out + 1] = tostring(v) if v == i then t[k] = nil end end
  return table.concat(out, ',') .. tostring(print) .. tostring(pairs)
end"#,
    ),
    (
        "weak",
        r#"
local values, names = setmetatable({}, {__mode = 'v'}), setmetatable({}, {__mode = 'k'})
local both, kept = setmetatable({}, {__mode = 'kv'}), {}
function step(i)
  for j = 1, 300 do
    local item = {i, j}
    values[#values + 1] = item names[item] = {item} both[item] = item
    if j % 29 == 0 then kept[#kept + 1] = item end
  end
  local a, b, c = 0, 0, 0
  for _ in pairs(values) do a = a + 1 end
  for k in pairs(names) do b = b + k[2] end
  for _ in pairs(both) do c = c + 1 end
  return a .. ' ' .. b .. ' ' .. c .. ' ' .. collectgarbage('count')
end"#,
    ),
    (
        "garbage",
        r#"
local live = {}
function step(i)
  local out = {}
  for j = 1, 97 * (i + 1) do
    live[(i * 31 + j) % 211] = {j, 'text ' .. j * i, function() return j end, ('x'):rep(j % 90)}
    if j % 50 == 0 then out[#out + 1] = collectgarbage('count') end
  end
  return table.concat(out, ' ')
end"#,
    ),
    (
        "chance",
        r#"
math.randomseed(4)
function step(i)
  local list = {}
  for j = 1, 900 do list[j] = j < 450 and math.random(50) or 900 - j end
  pcall(table.sort, list, function(a, b) return a % 7 <= b % 5 end)
  table.sort(list)
  local many = {}
  for j = 1, 3000 do many[j] = j < 1500 and j or 3000 - j end
  table.sort(many, function(a, b) return a < b end)
  return table.concat(list, ',') .. math.random() .. ' ' .. math.random(0) .. os.time() .. os.date()
end"#,
    ),
    (
        "iterators",
        r#"
local words = ('the quick brown fox jumps over the lazy dog '):rep(9):gmatch('%a+')
local slow = ('a,b;c,d;'):rep(30):gmatch('([^,;]*)([,;])')
local long = ('ab'):rep(400):gmatch('a?b?a?b?a?b?a?b?a?b?a?b?')
local f, s, c = utf8.codes('äöü€x𐍈' .. ('é'):rep(20))
local n, t, k = pairs {1, 2, 3, a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7}
function step(i)
  local out = {tostring(words()), tostring(slow()), tostring(long())}
  local code
  c, code = f(s, c)
  k = n(t, k)
  return table.concat(out, ' ') .. ' ' .. tostring(code) .. ' ' .. tostring(k)
end"#,
    ),
    (
        "errors",
        r#"
local errors = {}
local function deep(n) return 1 + deep(n + 1) end
function step(i)
  local _, one = pcall(deep, 1)
  local _, two = pcall(string.rep, 'x', 1 << 40)
  local _, three = pcall(function() local t = {} for j = 1, 1e4 do t[j] = ('y'):rep(200000) .. j end end)
  local _, four = pcall(string.format, '%d', 'x')
  local big = ('box'):rep(3000 + i)
  pcall(string.gsub, big, '.', function(c) if #big > 9000 + i then error(c) end end)
  errors[#errors + 1] = tostring(one) .. tostring(two) .. tostring(three) .. tostring(four)
  return table.concat(errors, '\n', math.max(1, #errors - 1)) .. i
end"#,
    ),
    (
        "full",
        r#"
local rows = {}
function step(i)
  if i < 8 then
    for j = 1, 8000 do rows[#rows + 1] = {id = #rows, name = 'row ' .. #rows} end
  else
    for j = 1, #rows, i do rows[j] = false end
  end
  local ok, why = pcall(function() hold = hold or {} for j = 1, 40 do hold[#hold + 1] = ('z'):rep(70000 + #hold) end end)
  return #rows .. tostring(ok) .. tostring(why) .. #hold .. collectgarbage('count')
end"#,
    ),
    (
        "code",
        r#"
local made = {}
function step(i)
  made[i] = assert(load('local a <const> = ' .. i .. ' return function(b) return a + (b or 0) end'))()
  local env = setmetatable({}, {__index = _G})
  local inner = load('x = (x or 0) + 1 return x', 'chunk', 't', env)
  inner() inner()
  local bad, why = load('x = = ' .. i)
  local sum = 0
  for k, f in pairs(made) do sum = sum + f(k) end
  return sum .. env.x .. why .. tostring(made[i])
end"#,
    ),
    (
        "cut",
        r#"
local n, inside = 0, coroutine.wrap(function() while true do for j = 1, 5 do coroutine.yield(j) end end end)
function step(i)
  n = n + inside()
  if i % 3 == 2 then pcall(function() while true do n = n + 1 end end) end
  return n
end"#,
    ),
];
