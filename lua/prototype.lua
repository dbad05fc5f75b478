-- What happens to types after they were made: changing them when their code runs again, moving their
-- instances along, taking them away. Loaded on first use.
--
-- `lua` holds Lua's own functions, whatever the app has put in place of them, and a few of the
-- runtime's; see src/lua/modules.rs.

local lua, types, stored, owners, loaded, EMPTY = ...
local next, type, rawget, rawset, rawequal = lua.next, lua.type, lua.rawget, lua.rawset, lua.rawequal
local sub, xpcall, remove = lua.sub, lua.xpcall, lua.remove
local metaOf, setMeta = lua.metaOf, lua.setMeta

local library = {}

-- Not part of what a prototype's instances start with.
local ignored = { type = true, __index = true, new = true }

-- Stored copies of defaults go this deep, as in src/lua/prototype.rs.
local MAX_DEPTH = 16

-- Whether two values are the same content. Functions are never compared; EMPTY is only itself.
local function equal(a, b, depth)
  if rawequal(a, b) or a ~= a and b ~= b then return true end
  local kind = type(a)
  if kind ~= type(b) or rawequal(a, EMPTY) or rawequal(b, EMPTY) then return false end
  if kind == "function" then return true end
  if kind ~= "table" then return a == b end
  if depth == MAX_DEPTH then return false end
  for k, v in next, a do
    if not equal(v, rawget(b, k), depth + 1) then return false end
  end
  for k in next, b do
    if rawget(a, k) == nil then return false end
  end
  return true
end

local function copy(value, depth)
  if type(value) ~= "table" or rawequal(value, EMPTY) or depth == MAX_DEPTH then return value end
  local new = {}
  for k, v in next, value do new[k] = copy(v, depth + 1) end
  return new
end

local function defaults_of(init)
  local defaults = {}
  for k, v in next, init do
    if not ignored[k] and type(v) ~= "function" then defaults[k] = copy(v, 0) end
  end
  return defaults
end

-- Prototypes whose fields changed, first in first out: { prototype, removed }.
local queue = {}

local function queue_up(prototype, removed, defaults)
  local entry
  for i = 1, #queue do
    if rawequal(queue[i].prototype, prototype) then entry = queue[i] end
  end
  if not entry then
    entry = { prototype = prototype, removed = {} }
    queue[#queue + 1] = entry
  end
  for k in next, removed do entry.removed[k] = true end
  for k in next, defaults do entry.removed[k] = nil end
end

-- An existing prototype keeps its identity: defaults that differ are copied in, fields that are gone
-- are taken out. Returns whether instances have to be moved along.
function library.change(name, prototype, init, base)
  for k, v in next, init do
    if type(v) == "function" and k ~= "__index" and k ~= "type" then rawset(prototype, k, v) end
  end
  if base == nil and lua.isReloading() and name ~= "Object" then base = types.Object end
  if (base ~= nil or lua.isReloading()) and not rawequal(base, prototype) and not rawequal(metaOf(prototype), base) then
    setMeta(prototype, base)
  end
  if metaOf(prototype) == nil and rawget(prototype, "new") == nil then rawset(prototype, "new", lua.newInstance) end
  local was, now = stored[name], defaults_of(init)
  if equal(was, now, 0) then return false end
  local removed = {}
  for k in next, was do
    if now[k] == nil then
      removed[k] = true
      if type(init[k]) ~= "function" then rawset(prototype, k, nil) end
    end
  end
  for k, v in next, now do
    if not equal(v, was[k], 0) then
      if rawequal(v, EMPTY) then rawset(prototype, k, nil) else rawset(prototype, k, init[k]) end
    end
  end
  stored[name] = now
  queue_up(prototype, removed, now)
  return true
end

local function mutate(instance)
  local method = instance.mutate
  if method ~= nil then method(instance) end
end

-- Moves the instances of what is queued along, in the order in which they were made.
function library.mutate()
  while queue[1] do
    local entry = remove(queue, 1)
    local list = lua.instancesOf(entry.prototype)
    for i = 1, #list do
      local instance = list[i]
      -- A prototype made on top of this one has it as its metatable, too.
      if not rawequal(rawget(instance, "__index"), instance) then
        if not xpcall(mutate, lua.traced, instance) then lua.report() end
        for k in next, entry.removed do rawset(instance, k, nil) end
      end
    end
  end
end

local function forget(name)
  local found = types[name]
  types[name], stored[name], owners[name] = nil, nil, nil
  for i = #queue, 1, -1 do
    if rawequal(queue[i].prototype, found) then remove(queue, i) end
  end
  lua.forgetViewdefs(name)
end

function library.remove(name, children)
  forget(name)
  if not children then return end
  local prefix = name .. "."
  for other in next, stored do
    if sub(other, 1, #prefix) == prefix then forget(other) end
  end
end

-- Forgets what the file at `place` registered.
function library.unload(place)
  loaded[place] = nil
  for name, owner in next, owners do
    if owner == place then forget(name) end
  end
end

-- What all types look like before a file runs again; what it returns; app objects it makes anew.
local before, result, strays

function library.prepare()
  local now = { types = {}, stored = {}, owners = {}, fields = {}, metas = {}, queue = {} }
  for name, found in next, types do
    now.types[name], now.stored[name], now.owners[name] = found, stored[name], owners[name]
    local fields = {}
    for k, v in next, found do fields[k] = v end
    now.fields[found], now.metas[found] = fields, metaOf(found) or false
  end
  for i = 1, #queue do
    local removed = {}
    for k in next, queue[i].removed do removed[k] = true end
    now.queue[i] = { prototype = queue[i].prototype, removed = removed }
  end
  before, result, strays = now, nil, {}
end

function library.returned(value)
  result = value
end

-- The app stays when its file runs again; the one just made is not needed.
function library.stray(new, app)
  if not rawequal(new, app) then strays[new] = app end
end

local function fill(t, fields)
  for k in next, t do
    if fields[k] == nil then rawset(t, k, nil) end
  end
  for k, v in next, fields do rawset(t, k, v) end
end

-- The file failed: types are as before.
function library.rollback()
  if not before then return end
  for name in next, types do
    -- What no file registered is the runtime's own.
    if before.types[name] == nil and owners[name] then types[name], stored[name], owners[name] = nil, nil, nil end
  end
  for name, found in next, before.types do
    types[name], stored[name], owners[name] = found, before.stored[name], before.owners[name]
  end
  for found, fields in next, before.fields do
    fill(found, fields)
    setMeta(found, before.metas[found] or nil)
  end
  queue = before.queue
  before, result, strays = nil, nil, nil
end

-- Code that kept the app just made means the one that lives on: timers, above all.
local function forward(stray, app)
  for k in next, stray do rawset(stray, k, nil) end
  setMeta(stray, {
    __index = app,
    __newindex = app,
    __pairs = function() return next, app, nil end,
  })
end

-- The file has run: methods that it no longer has are gone, its module table keeps its identity.
function library.commit(place, label)
  for found, fields in next, before.fields do
    for k, v in next, fields do
      if type(v) == "function" and rawequal(rawget(found, k), v) and lua.sourceOf(v) == label then
        rawset(found, k, nil)
      end
    end
    if fields.new ~= nil and rawget(found, "new") == nil and metaOf(found) == nil then
      rawset(found, "new", lua.newInstance)
    end
  end
  local old, new = loaded[place], result
  if type(old) == "table" and type(new) == "table" and not rawequal(old, new) and not before.fields[new] then
    if not before.fields[old] then
      fill(old, new)
      setMeta(old, metaOf(new))
    end
  elseif old ~= nil and new ~= nil then
    loaded[place] = new
  end
  for stray, app in next, strays do forward(stray, app) end
  before, result, strays = nil, nil, nil
end

return library
