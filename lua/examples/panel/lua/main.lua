-- A panel that shows the state of the machine it runs on: load, processor, memory and disks, live.
-- The kernel's files are read every second, `df` runs every five. ../lunette.toml grants just that.

local HISTORY = 90 -- points in the charts, one a second
local DISKS_EVERY = 5 -- seconds

local Panel = session:prototype("Panel", {
  host = "",
  uptime = "",
  cores = 1,
  -- load: processes that run or wait to
  load = EMPTY,
  load1 = "–",
  load5 = "–",
  load15 = "–",
  loads = EMPTY,
  -- processor: how much of it works, in percent
  busy = 0,
  work = EMPTY,
  -- memory, and the disks with swap as one of them
  memory = EMPTY,
  usage = EMPTY,
  disks = EMPTY,
  problem = "", -- why something could not be read
})

--- Gauge: so much of a whole, in bytes.
local Gauge = session:prototype("Gauge", { name = "", used = 0, total = 0 })

local function size(bytes)
  local units = { "B", "KiB", "MiB", "GiB", "TiB" }
  local unit = 1
  while bytes >= 1024 and unit < #units do bytes, unit = bytes / 1024, unit + 1 end
  return string.format((bytes < 10 and unit > 1) and "%.1f %s" or "%.0f %s", bytes, units[unit])
end

function Gauge:percent()
  if self.total == 0 then return 0 end
  return math.floor(100 * self.used / self.total + 0.5)
end

function Gauge:share() return self:percent() .. " %" end
function Gauge:amount() return size(self.used) .. " of " .. size(self.total) end

-- Reading --------------------------------------------------------------------------------------

--- The content of a file, or "" and the reason on the page.
function Panel:read(path)
  local text, why = session:readFile(path)
  if not text then self.problem = why end
  return text or ""
end

local function remember(points, value)
  points[#points + 1] = value
  if #points > HISTORY then table.remove(points, 1) end
end

function Panel:readLoad()
  local one, five, fifteen = self:read("/proc/loadavg"):match("(%S+) (%S+) (%S+)")
  if not one then return end
  self.load, self.load1, self.load5, self.load15 = tonumber(one), one, five, fifteen
  remember(self.loads, self.load)
end

--- The kernel counts what each processor did since the start; what it did in the last second is the
--- difference to what was read then.
function Panel:readProcessor()
  local text = self:read("/proc/stat")
  local idle, all, field = 0, 0, 0
  for count in (text:match("^cpu%s+([^\n]*)") or ""):gmatch("%d+") do
    field = field + 1
    if field > 8 then break end -- guests are in the fields before
    all = all + tonumber(count)
    if field == 4 or field == 5 then idle = idle + tonumber(count) end
  end
  local _, cores = text:gsub("\ncpu%d+", "")
  self.cores = math.max(1, cores)
  local before = self._counted
  self._counted = { idle = idle, all = all }
  if before and all > before.all then
    local share = 1 - (idle - before.idle) / (all - before.all)
    self.busy = math.floor(100 * math.max(0, math.min(1, share)) + 0.5)
    remember(self.work, self.busy)
  end
end

function Panel:readMemory()
  local kib = {}
  for name, count in self:read("/proc/meminfo"):gmatch("(%w+):%s+(%d+) kB") do kib[name] = tonumber(count) end
  local function fill(gauge, total, free)
    gauge.total = 1024 * (total or 0)
    gauge.used = gauge.total - 1024 * (free or 0)
  end
  fill(self.memory, kib.MemTotal, kib.MemAvailable or kib.MemFree)
  fill(self._swap, kib.SwapTotal, kib.SwapFree)
  remember(self.usage, self.memory:percent())
end

function Panel:readUptime()
  local seconds = tonumber(self:read("/proc/uptime"):match("^%d+")) or 0
  local days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
  if days > 0 then
    self.uptime = string.format("%d d %d h", days, hours)
  else
    self.uptime = string.format("%d h %d min", hours, minutes)
  end
end

--- One `df` at a time: its lines come when they come, nobody waits for it.
function Panel:readDisks()
  if self._df then return end
  local found = {}
  self._df = session:spawn {
    cmd = "df",
    args = { "-P", "-k" },
    timeout = 4000,
    onLine = function(line, stream)
      local device, total, used, mount = line:match("^(%S+)%s+(%d+)%s+(%d+)%s+%-?%d+%s+%S+%s+(.+)$")
      -- Real disks, and whatever / is on.
      if stream == "stdout" and device and (device:sub(1, 1) == "/" or mount == "/") then
        found[#found + 1] = { device = device, mount = mount, total = 1024 * total, used = 1024 * used }
      end
    end,
    onExit = function(exit)
      self._df = nil
      if exit.error or exit.timeout then self.problem = exit.error or "df does not answer" end
      if #found > 0 then self:showDisks(found) end
    end,
  }
end

--- Each disk once, however often it is mounted; what was there before stays the same object.
function Panel:showDisks(found)
  local known, seen = self._known, {}
  local disks = {}
  for _, disk in ipairs(found) do
    if not seen[disk.device] then
      seen[disk.device] = true
      local gauge = known[disk.mount] or session:create(Gauge, { name = disk.mount })
      gauge.total, gauge.used = disk.total, disk.used
      known[disk.mount] = gauge
      disks[#disks + 1] = gauge
    end
  end
  if self._swap.total > 0 then disks[#disks + 1] = self._swap end
  self.disks = disks
end

function Panel:tick()
  self.problem = ""
  self:readLoad()
  self:readProcessor()
  self:readMemory()
  self:readUptime()
  if self._ticks % DISKS_EVERY == 0 then self:readDisks() end
  self._ticks = self._ticks + 1
end

-- What the templates show ----------------------------------------------------------------------

function Panel:coresLabel() return self.cores == 1 and "1 core" or self.cores .. " cores" end
function Panel:busyLabel() return self.busy .. " %" end
function Panel:isWell() return self.problem == "" end
function Panel:hasDisks() return #self.disks > 0 end

local panel = session:create(Panel, {
  loads = {},
  work = {},
  disks = {},
  usage = {},
  memory = session:create(Gauge, { name = "Memory" }),
  _swap = session:create(Gauge, { name = "Swap" }),
  _known = {},
  _ticks = 0,
})
panel.host = panel:read("/proc/sys/kernel/hostname"):match("%S+") or "this machine"
panel:tick()
session:setInterval(function() panel:tick() end, 1000)
session:createAppVariable(panel)
