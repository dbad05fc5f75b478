-- Objects: the Lua objects that can be reached from the app, as they were after a turn, one at a time; and what the
-- turn changed in any of them.

local ask = require("ask")
local words = require("words")

local PAUSE_MS = 80 -- the slider passes turns faster than objects can be had

local Objects = session:prototype("Objects", {
  inspector = EMPTY,
  root = "app",
  path = "[]",
  kind = "",
  crumbs = EMPTY,
  fields = EMPTY,
  changed = EMPTY,
  state = "waiting", -- or "there", "missing"
  turn = 0,
  opened = 0, -- counts the objects that somebody opened: the focus goes to their names
})

--- Crumb: a step on the way to the object.
local Crumb = session:prototype("Crumb", { objects = EMPTY, name = "", path = "[]", last = false, opened = EMPTY })
function Crumb:go() self.objects:open(self.objects.root, self.path) end
function Crumb:current() return self.last and "location" or nil end

--- FieldRow: a field of the object.
local FieldRow = session:prototype("FieldRow", { objects = EMPTY, mark = "" })
function FieldRow:open() self.objects:open(self.objects.root, self.path) end
function FieldRow:follow() self.objects.inspector:follow("field/" .. self.path) end
function FieldRow:isPlain() return not self.object end
function FieldRow:isObject() return self.object end
function FieldRow:cannotFollow() return not self.can_follow end
function FieldRow:changed() return self.mark ~= "" end
function FieldRow:hasNoBefore() return self.was == nil end

--- ChangedField: a field of any object that the turn changed.
local ChangedField = session:prototype("ChangedField", { objects = EMPTY })
function ChangedField:open() self.objects:open(tostring(self.root), self.path) end
function ChangedField:before() return self.was or "nil" end
function ChangedField:after() return self.value or "nil" end

function Objects:new(inspector)
  local objects = session:create(Objects, { inspector = inspector, crumbs = {}, fields = {}, changed = {} })
  objects._leftOut, objects._changedLeftOut, objects._count = 0, 0, 0
  return objects
end

--- Which object to show from now on: "app" or a number, and the way from there as JSON.
function Objects:aim(root, path)
  self.root, self.path = tostring(root), path
end

function Objects:open(root, path)
  self.opened = self.opened + 1
  self:aim(root, path)
  self:load(0)
end

--- Shows a turn, in a moment: until then the turn before is shown, marked as old.
function Objects:show(turn)
  self.turn = turn
  self:load(PAUSE_MS)
end

function Objects:load(pause)
  if self._stop then self._stop() end
  session:clearTimeout(self._timer)
  self._timer = session:setTimeout(function()
    local question = "objects/" .. self.turn .. "/" .. self.root .. "/" .. self.path
    self._stop = ask.patiently(question, function(answer) self:take(answer or { missing = true }) end, function()
      self.state = "waiting"
    end)
  end, pause)
end

local function created(prototype, list, objects)
  for i, item in ipairs(list or {}) do
    item.objects = objects
    list[i] = session:create(prototype, item)
  end
  return list or {}
end

function Objects:take(answer)
  self._stop = nil
  self.state = answer.missing and "missing" or "there"
  self.kind = answer.kind or ""
  self.crumbs = created(Crumb, answer.crumbs, self)
  local last = self.crumbs[#self.crumbs]
  if last then last.last, last.opened = true, self.opened > 0 and self.opened or nil end
  self.fields = created(FieldRow, answer.fields, self)
  self.changed = created(ChangedField, answer.changed, self)
  self._leftOut, self._changedLeftOut = answer.left_out or 0, answer.changed_left_out or 0
  self._count, self._isCut = answer.count or 0, answer.is_cut
end

function Objects:waiting() return self.state == "waiting" and "true" or nil end

function Objects:told()
  if self.state == "waiting" then return "Running the recording up to turn " .. words.count(self.turn) .. " …" end
  if self.state == "missing" then return "There is no such object after this turn." end
  local text = self.kind ~= "" and self.kind .. ", " or ""
  text = text .. words.amount(#self.fields, "field")
  if self._leftOut > 0 then text = text .. " and " .. words.count(self._leftOut) .. " more" end
  text = text .. "; " .. words.amount(self._count, "object") .. " in all"
  return self._isCut and text .. " and more, which were not looked at" or text
end

function Objects:noChanges() return #self.changed == 0 end
function Objects:changes()
  local text = words.amount(#self.changed, "field") .. " changed in this turn"
  return self._changedLeftOut > 0 and text .. ", and " .. words.count(self._changedLeftOut) .. " more" or text
end

return Objects
