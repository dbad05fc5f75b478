-- lua.ViewList: presents an array, one lua.ViewListItem for each element.
-- Loaded on first use. `lua` holds Lua's own functions, whatever the app has put in place of them.
--
-- Items are matched to elements by identity: an item and its presenter stay with their element when
-- others are inserted, removed or moved. Elements that are not tables keep their slot.
--
-- Two properties of the list's variable change what is presented. `identity` is for clients that
-- address rows by their item: items without an element take over new elements, so that an array of
-- fresh tables at each look shows the same items again. `window` presents a part of the array only:
-- the client says which with property `range`, and nothing costs more than that part has elements.

local lua, types = ...
local type, setmetatable, rawget, rawequal = lua.type, lua.setmetatable, lua.rawget, lua.rawequal
local error, tonumber, max, min = lua.error, lua.tonumber, lua.max, lua.min
local remove, move, gmatch, _G = lua.remove, lua.move, lua.gmatch, lua.globals

-- A client may ask for so many windows at once: what a tall screen shows, and some beyond each edge.
local WINDOWS_MOST = 4

local Item = { type = "lua.ViewListItem" }
Item.__index = Item

local List = { type = "lua.ViewList" }
List.__index = List

-- Says that the items are an array even when there are none.
local array = { __array = true }

local function presenter_type(name)
  if not name then return nil end
  local found = types[name]
  if not found then
    found = _G
    for part in gmatch(name, "[^.]+") do
      found = type(found) == "table" and rawget(found, part) or nil
    end
  end
  if type(found) ~= "table" or not found.new then
    error("itemWrapper=" .. name .. ": there is no type of that name with a function new(self, item)", 0)
  end
  return found
end

-- What an item shows: the element, or the presenter that itemWrapper makes of it.
local function present(item, element)
  item.baseItem = element
  local presenter = item.list._presenter
  if presenter then
    item.item = presenter:new(item)
  else
    item.item = element
  end
end

local function new_item(list, element, index)
  local item = setmetatable({ list = list, index = index }, Item)
  present(item, element)
  return item
end

-- Two values are the same, whatever their __eq says; NaN is the same as NaN.
local function same(a, b)
  return rawequal(a, b) or a ~= a and b ~= b
end

-- The part of the array that the client asked for: "FIRST" or "FIRST-LAST", counted from 0.
local function read_range(list)
  local text = list._variable:getProperty("range")
  list._range = text
  local first, last = (text or "0"):match("^(%d+)%-?(%d*)$")
  first = max(0, min(tonumber(first) or 0, 1 << 40)) // 1 | 0
  last = min(tonumber(last) or first + list._window - 1, first + WINDOWS_MOST * list._window - 1) // 1 | 0
  list._from, list._size = first, max(1, last - first + 1)
end

-- Which elements are presented: how many come before them, and how many they are.
local function part(list, count)
  if not list._window then return 0, count end
  if list._range ~= list._variable:getProperty("range") then read_range(list) end
  local first = max(0, min(list._from, count - list._size))
  return first, min(list._size, count - first)
end

-- Whether a window shows something else than it should: asked instead of comparing whole arrays.
local function window_differs(list, value)
  if not rawequal(value, list.value) or #value ~= list.count then return true end
  if list._range ~= list._variable:getProperty("range") then return true end
  local items, first = list.items, list.first
  for i = 1, #items do
    if not same(items[i].baseItem, value[first + i]) then return true end
  end
  return false
end

local function set_window(list, variable, text)
  local window = tonumber(text)
  if not window or window < 1 or window % 1 ~= 0 then
    error("window=" .. text .. ": it must be a number of rows, such as 50", 0)
  end
  list._variable, list._window, list._differs = variable, min(window, 1 << 20) | 0, window_differs
  read_range(list)
end

function List:new(variable)
  local list = variable:getWrapper()
  if not list then
    local name = variable:getProperty("itemWrapper") or variable:getProperty("item")
    list = setmetatable({ items = setmetatable({}, array), selectionIndex = -1, first = 0, count = 0 }, List)
    list._presenter = presenter_type(name)
    list._identity = variable:getProperty("identity") ~= nil
    local window = variable:getProperty("window")
    if window then set_window(list, variable, window) end
    variable:setProperty("fallbackNamespace:high", "list-item")
  end
  list.value = variable:getValue()
  list:sync()
  return list
end

-- The item shows the `at`th of the elements after the first `start`. An item that is free has no index: a field for
-- that would make the tables of all items larger for good.
local function place(item, start, at)
  item.index = start + at - 1
  return item
end

-- Items that no element has: given to those new elements that have no item, first of all to the one
-- in the same place. Only then are items made.
local function give_items(list, fresh, missing, old, value, start)
  local rest, next_rest = missing, 1
  if list._identity then
    rest = {}
    for i = 1, #missing do
      local at = missing[i]
      local item = old[at]
      if item and not item.index then
        fresh[at] = place(item, start, at)
        present(item, value[start + at])
      else
        rest[#rest + 1] = at
      end
    end
    for i = 1, #old do
      local item, at = old[i], rest[next_rest]
      if not at then break end
      if not item.index then
        fresh[at] = place(item, start, at)
        present(item, value[start + at])
        next_rest = next_rest + 1
      end
    end
  end
  for i = next_rest, #rest do
    local at = rest[i]
    fresh[at] = new_item(list, value[start + at], start + at - 1)
  end
end

-- Items of the `old` ones that follow one another as before, after some were put in, taken out or
-- replaced. Returns the places still without one; items that have no place are marked free.
local function match_runs(fresh, old, value, start, count)
  local missing, at = {}, 1
  for i = 1, #old do old[i].index = nil end
  for i = 1, count do
    local element = value[start + i]
    local item = old[at]
    fresh[i] = false
    if type(element) == "table" and item then
      if not rawequal(item.baseItem, element) then
        -- What was here is gone, or moved.
        item = old[at + 1]
        at = item and rawequal(item.baseItem, element) and at + 1 or at
      end
      if item and rawequal(item.baseItem, element) then
        fresh[i] = place(item, start, i)
        at = at + 1
      end
    end
    if not fresh[i] then missing[#missing + 1] = i end
  end
  return missing
end

-- Items for `count` elements after the first `start`, taken from the `old` ones as far as possible.
-- The same element may occur more than once.
local function match(list, old, value, start, count)
  local fresh, free, after = {}, {}, {}
  local was = old[1] and old[1].index
  local missing = match_runs(fresh, old, value, start, count)
  if missing[1] then
    for i = #old, 1, -1 do
      local item = old[i]
      local element = item.baseItem
      if not item.index and type(element) == "table" then
        after[item] = free[element]
        free[element] = item
      end
    end
    local rest = {}
    for i = 1, #missing do
      local at = missing[i]
      local element, item = value[start + at], nil
      if type(element) == "table" then
        item = free[element]
        if item then free[element] = after[item] end
      elseif old[at] and type(old[at].baseItem) ~= "table" then
        item = place(old[at], start, at)
        if not same(item.baseItem, element) then present(item, element) end
      end
      if item then
        fresh[at] = place(item, start, at)
      else
        rest[#rest + 1] = at
      end
    end
    if rest[1] then give_items(list, fresh, rest, old, value, start) end
  end
  -- Those that are gone are where they were, for whoever still shows them.
  for i = 1, #old do old[i].index = old[i].index or was + i - 1 end
  return fresh
end

-- Makes the items match the elements. Returns false if nothing but the list and its items can have
-- changed: then nobody who was read before needs to be read again.
function List:sync()
  local value = type(self.value) == "table" and self.value or {}
  self.list = value
  local items, count = self.items, #value
  local first, size = part(self, count)
  if self._half then
    -- A presenter raised an error in the middle of the last time.
    for i = #items, 1, -1 do items[i] = nil end
  end
  local before = #items
  local least = min(before, size)
  local head = 0
  while head < least do
    local was, is = items[head + 1].baseItem, value[first + head + 1]
    if not rawequal(was, is) and (was == was or is == is) then break end
    head = head + 1
  end
  local stays = first == self.first
  self.count, self.first = count, first
  if self.selectionIndex >= count then self.selectionIndex = count - 1 end
  if head == size and before == size and stays then return false end
  local tail = 0
  while tail < least - head do
    local was, is = items[before - tail].baseItem, value[first + size - tail]
    -- What is no table keeps its slot.
    if not rawequal(was, is) and (was == was or is == is) or before ~= size and type(was) ~= "table" then break end
    tail = tail + 1
  end

  if head + tail < before or head + tail < size then
    self._half = true
    local old = move(items, head + 1, before - tail, 1, {})
    local fresh = match(self, old, value, first + head, size - tail - head)
    if before ~= size then move(items, before - tail + 1, before, size - tail + 1) end
    for i = before, size + 1, -1 do items[i] = nil end
    move(fresh, 1, #fresh, head + 1, items)
    self._half = nil
  end
  for i = (stays and head or 0) + 1, (stays and before == size) and size - tail or size do
    items[i].index = first + i - 1
  end
  return self._presenter ~= nil
end

-- Removes the element at a 0-based index from the wrapped array.
function List:removeAt(index)
  local value = self.value
  if type(value) ~= "table" or type(index) ~= "number" then return end
  if index >= 0 and index < #value then remove(value, index + 1) end
end

function List:select(item)
  self.selectionIndex = type(item) == "table" and item.index or item or -1
end

function Item:remove()
  self.list:removeAt(self.index)
end

function Item:removeAt(index)
  self.list:removeAt(index)
end

function Item:select()
  self.list:select(self)
end

types["lua.ViewList"] = List
types["lua.ViewListItem"] = Item
