-- Prototypes: session:prototype, session:create, session:removePrototype.
-- Loaded on first use with the session table and the table of types by name.

local session, types = ...
local rawget, rawset, type, pairs = rawget, rawset, type, pairs
local setmetatable, getmetatable = setmetatable, getmetatable

local stored = {} -- name -> copy of the init it was made or changed with
local instances = setmetatable({}, { __mode = "k" }) -- prototype -> its live instances, weakly
local ignored = { type = true, __index = true, new = true }

-- Whether two values are the same content. Functions are never compared.
local function equal(a, b, seen)
  if a == b then return true end
  if type(a) ~= type(b) then return false end
  if type(a) == "function" then return true end
  if type(a) ~= "table" then return false end
  seen = seen or {}
  if seen[a] == b then return true end
  seen[a] = b
  for k, v in pairs(a) do
    if not equal(v, b[k], seen) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

local function snapshot(value, seen)
  if type(value) ~= "table" or value == EMPTY then return value end
  seen = seen or {}
  if seen[value] then return seen[value] end
  local copy = {}
  seen[value] = copy
  for k, v in pairs(value) do copy[k] = snapshot(v, seen) end
  return copy
end

-- The fields of an init as they are remembered: without what the runtime itself puts there.
local function fields_of(init)
  local fields = {}
  for k, v in pairs(init) do
    if not ignored[k] and type(v) ~= "function" then fields[k] = snapshot(v) end
  end
  return fields
end

local function new_instance(prototype, instance)
  return session:create(prototype, instance)
end

local function make(name, init, base)
  stored[name] = fields_of(init)
  rawset(init, "type", name)
  rawset(init, "__index", init)
  if base == nil and name ~= "Object" then base = types.Object end
  if base then
    setmetatable(init, base)
  elseif rawget(init, "new") == nil then
    init.new = new_instance
  end
  for k, v in pairs(init) do
    if v == EMPTY then init[k] = nil end
  end
  types[name] = init
  return init
end

-- An existing prototype keeps its identity: defaults that differ are copied in, fields that are gone
-- are taken out.
local function change(name, prototype, init)
  local was, now = stored[name] or {}, fields_of(init)
  for k, v in pairs(init) do
    if type(v) == "function" and not ignored[k] then prototype[k] = v end
  end
  if equal(was, now) then return prototype end
  for k in pairs(was) do
    if now[k] == nil then prototype[k] = nil end
  end
  for k, v in pairs(now) do
    if not equal(v, was[k]) then
      if v == EMPTY then prototype[k] = nil else prototype[k] = init[k] end
    end
  end
  stored[name] = now
  return prototype
end

function session:prototype(name, init, base)
  if type(name) ~= "string" or name == "" then
    error("session:prototype: the first argument is the type's name", 2)
  end
  if init ~= nil and type(init) ~= "table" then
    error("session:prototype: the second argument is a table of fields and defaults", 2)
  end
  if type(base) == "string" then
    base = types[base] or error("session:prototype: there is no base type " .. base, 2)
  end
  local known = types[name]
  if known and stored[name] then
    return init and change(name, known, init) or known
  end
  return make(name, init or {}, base)
end

function session:create(prototype, instance)
  if type(prototype) ~= "table" then
    error("session:create: the first argument is a prototype", 2)
  end
  instance = setmetatable(instance or {}, prototype)
  local live = instances[prototype]
  if not live then
    live = setmetatable({}, { __mode = "k" })
    instances[prototype] = live
  end
  live[instance] = true
  return instance
end

function session:removePrototype(name, children)
  types[name], stored[name] = nil, nil
  if not children then return end
  local prefix = name .. "."
  for other in pairs(stored) do
    if other:sub(1, #prefix) == prefix then types[other], stored[other] = nil, nil end
  end
end
