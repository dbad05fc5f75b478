-- Runs one suite inside a real session: the address it was opened at, /NAME, says which. A page reads `names`, calls
-- `run` with each and waits for `result` to be "NAME: ok" or "NAME: " and what went wrong.

local names, tests = {}, {}
local app = { names = names, result = "", scratch = {} }
session:createAppVariable(app)

--- Defines a test. `t` has the assertions below.
function test(name, fn)
  assert(not tests[name], "there are two tests named " .. name)
  names[#names + 1], tests[name] = name, fn
end

local function show(v)
  if type(v) == "string" then return string.format("%q", v) end
  return tostring(v)
end

local t = { app = app }

function t.eq(got, expected)
  if got ~= expected then error("expected " .. show(expected) .. ", got " .. show(got), 2) end
end

function t.ok(value)
  if not value then error("expected something true, got " .. show(value), 2) end
end

--- The function must fail, with this text in its message.
function t.fails(text, fn, ...)
  local ok, message = pcall(fn, ...)
  if ok then error("it was expected to fail with " .. show(text), 2) end
  if not tostring(message):find(text, 1, true) then
    error("expected it to fail with " .. show(text) .. ", but it said " .. show(message), 2)
  end
end

local running, waiting

local function finish(ok, message)
  if not running then return end
  app.result = running .. ": " .. (ok and "ok" or tostring(message))
  running = nil
end

--- The test goes on in a turn of its own.
function t.later(ms, fn)
  waiting = waiting + 1
  session:setTimeout(function()
    local ok, message = pcall(fn)
    waiting = waiting - 1
    if not ok or waiting == 0 then finish(ok, message) end
  end, ms)
end

function app:run(name)
  running, waiting = name, 0
  local ok, message = pcall(tests[name], t)
  if not ok or waiting == 0 then finish(ok, message) end
end

require(session.url:match("^/([%w_]+)$"))
