-- What happens to prototypes after they were made: changing them when their code is loaded again,
-- and removing them. Loaded on first use with the session table, the table of types by name, and the
-- defaults each prototype was made with.

local session, types, stored = ...
local rawset, type, pairs = rawset, type, pairs

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

local function copy(value, seen)
  if type(value) ~= "table" or value == EMPTY then return value end
  seen = seen or {}
  if seen[value] then return seen[value] end
  local new = {}
  seen[value] = new
  for k, v in pairs(value) do new[k] = copy(v, seen) end
  return new
end

local function defaults_of(init)
  local defaults = {}
  for k, v in pairs(init) do
    if not ignored[k] and type(v) ~= "function" then defaults[k] = copy(v) end
  end
  return defaults
end

-- An existing prototype keeps its identity: defaults that differ are copied in, fields that are gone
-- are taken out.
rawset(session, "_changePrototype", function(name, prototype, init)
  local was, now = stored[name], defaults_of(init)
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
end)

rawset(session, "removePrototype", function(_, name, children)
  types[name], stored[name] = nil, nil
  if not children then return end
  local prefix = name .. "."
  for other in pairs(stored) do
    if other:sub(1, #prefix) == prefix then types[other], stored[other] = nil, nil end
  end
end)
