-- Every C function that a script can get hold of, called with wrong arguments of every kind.
-- where: upload
-- expect: limit
-- text: gas limit
-- gas: 15000000
-- granted
-- keeps

local names = {
  session = { "checkpoint", "clearImmediate", "clearInterval", "clearTimeout", "create", "createAppVariable", "createVariable", "destroyVariable", "download", "getApp", "getAppVariable", "getVariable", "log", "navigate", "notify", "prototype", "publish", "readFile", "registerVariable", "removePrototype", "setImmediate", "setInterval", "setTimeout", "spawn", "subscribe", "unloadDirectory", "unloadModule", "unwatch", "watchProperty", "watchVariable", "writeFile" },
  ui = { "json_decode", "json_encode", "log", "registerPresenter", "registerWrapper" },
  variable = { "getDiagnostics", "getError", "getID", "getId", "getProperty", "getValue", "getWrapper", "setProperty", "update", "updateProperties" },
  process = { "close", "kill", "write" },
  file = { "moveTo", "read" },
}

local type, pairs, next, select, pcall, rawset, getmetatable = type, pairs, next, select, pcall, rawset, getmetatable
local create, resume, gmatch, codes, wrap = coroutine.create, coroutine.resume, string.gmatch, utf8.codes, coroutine.wrap
local app, session, ui, io, print = app, session, ui, io, print

local functions, seen = {}, {}

local function walk(value, depth)
  if type(value) == "function" and not seen[value] then functions[#functions + 1] = value end
  if (type(value) ~= "table" and type(value) ~= "function") or seen[value] or depth > 5 then return end
  seen[value] = true
  if type(value) == "function" then return end
  for _, v in pairs(value) do walk(v, depth + 1) end
  local meta = getmetatable(value)
  if type(meta) == "table" then for _, v in next, meta do walk(v, depth + 1) end end
end

function app:attack(file)
  local process = session:spawn { cmd = "true" }
  local variable = session:getVariable(1)
  local owners = { session = session, ui = ui, variable = variable, process = process, file = file }
  for owner, list in pairs(names) do
    for i = 1, #list do walk(owners[owner][list[i]], 0) end
  end
  walk(getmetatable(""), 0)
  local _ = io.open
  walk(_G, 0)
  for _, value in pairs { (ipairs({})), (gmatch("a", "a")), (codes("a")), (wrap(print)) } do walk(value, 0) end
  if #functions < 170 then return end

  local globals = {}
  for k, v in next, _G do globals[k] = v end
  local yielded = create(function() coroutine.yield(1) end)
  resume(yielded)
  local strange = setmetatable({}, { __index = function(_, k) return k end, __len = function() return 1e9 end })
  local heir = setmetatable({}, { __index = session, __newindex = session })
  local values = { false, true, 0, 1, -1, 7.5, 1e308, -1 / 0, 0 / 0, "", "x", ("x"):rep(70), "type", "user", "locale", "_ENV", "%s%d%b()", "\0\255", {}, { 3, 1, 2 }, variable, process, file, yielded, print, walk, function(...) return ... end, session, ui, io, "", strange, heir, "k", 64, "count", "__index", "t", { cmd = "true", args = {} } }
  -- One of them may end it all: what takes long is paid for before it is begun.
  local alone = { 0x414141414141, 2 ^ 53, math.mininteger, math.maxinteger }
  local no_variable = { false, "x", {}, print, yielded, -7, 1 << 40, 0 / 0, process, strange }
  local count, state, destroy = #values, 42, session.destroyVariable
  local function random(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n + 1
  end
  local function value()
    return values[random(count + 2)]
  end
  local calls = 0
  while true do
    local f = functions[random(#functions)]
    local n = random(7)
    if f == destroy then pcall(f, session, no_variable[random(#no_variable)])
    elseif n == 1 then pcall(f)
    elseif n == 2 then pcall(f, value())
    elseif n == 3 then pcall(f, value(), value())
    elseif n == 4 then pcall(f, session, value(), value())
    elseif n == 5 then pcall(f, value(), value(), value(), value())
    elseif n == 6 then pcall(f, value(), value(), value(), value(), value())
    else pcall(f, alone[random(#alone)]) end
    calls = calls + 1
    if calls % 1000 == 0 then print("calls", calls) end
    if session:getApp() ~= app then session:createAppVariable(app) end
    for k, v in next, globals do rawset(_G, k, v) end
    heir.user = heir.user
  end
end
