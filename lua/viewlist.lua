-- lua.ViewList: presents an array, one lua.ViewListItem for each element.
-- Loaded on first use. `lua` holds Lua's own functions, whatever the app has put in place of them.
--
-- Items are matched to elements by identity: an item and its presenter stay with their element when
-- others are inserted, removed or moved. Elements that are not tables keep their slot.

local lua, types = ...
local type, setmetatable, rawget, error = lua.type, lua.setmetatable, lua.rawget, lua.error
local remove, gmatch, _G = lua.remove, lua.gmatch, lua.globals

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

function List:new(variable)
  local list = variable:getWrapper()
  if not list then
    local name = variable:getProperty("itemWrapper") or variable:getProperty("item")
    list = setmetatable({ items = setmetatable({}, array), selectionIndex = -1 }, List)
    list._presenter = presenter_type(name)
    variable:setProperty("fallbackNamespace:high", "list-item")
  end
  list.value = variable:getValue()
  list:sync()
  return list
end

-- The first index at which the items no longer match the elements.
local function first_difference(items, value, count)
  for i = 1, count do
    local item = items[i]
    if not item or item.baseItem ~= value[i] then return i end
  end
  return count + 1
end

function List:sync()
  local value = type(self.value) == "table" and self.value or {}
  self.list = value
  local items = self.items
  local count, before = #value, #items
  local start = first_difference(items, value, count)
  if start > count and before == count then return end

  -- Items from here on are taken anew from those that are there, by element; the same element may
  -- occur more than once.
  local old = {}
  for i = start, before do old[i] = items[i] end
  local free = {}
  for i = before, start, -1 do
    local element = old[i].baseItem
    if type(element) == "table" then
      old[i]._next = free[element]
      free[element] = old[i]
    end
  end
  for i = start, count do
    local element = value[i]
    local item = free[element]
    if item then
      free[element] = item._next
      item._next = nil
      item.index = i - 1
    elseif type(element) ~= "table" and old[i] and type(old[i].baseItem) ~= "table" then
      item = old[i]
      present(item, element)
    else
      item = new_item(self, element, i - 1)
    end
    items[i] = item
  end
  for i = before, count + 1, -1 do items[i] = nil end
  for i = start, before do old[i]._next = nil end
  if self.selectionIndex >= count then self.selectionIndex = count - 1 end
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
