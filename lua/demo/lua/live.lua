-- Live: a page that moves by itself. One timer ticks while it is on screen; everything that the tick
-- changes is seen at once, in every tab of the session.

local Page = require("page")

local HISTORY = 60 -- points in the chart
local CITIES = 5 -- bars in the other one
local OUTSIDE = 11 -- degrees, outside the pretended greenhouse

local Live = session:prototype("Live", {
  address = "/live",
  -- the clock
  time = "",
  date = "",
  ticks = 0,
  -- the counter
  count = 0,
  step = 1,
  -- the greenhouse
  fan = 30, -- percent
  lamp = true,
  temperature = 22,
  humidity = 58,
  points = EMPTY, -- the last temperatures
  sensors = EMPTY,
  -- the timer
  running = true,
  everyMs = 1000,
  timer = EMPTY,
}, Page)

--- Sensor: a reading with its gauge.
local Sensor = session:prototype("Sensor", {
  label = "",
  unit = "",
  value = 0,
  min = 0,
  max = 100,
  warn = EMPTY, -- from here on it deserves attention
  bad = EMPTY, -- and from here on, help
})

--- "21.4 °C", "58 %"
function Sensor:reading()
  return string.format(self.unit == "°C" and "%.1f %s" or "%.0f %s", self.value, self.unit)
end

function Live:new(app)
  local page = session:create(Live, { app = app, points = {} })
  page._warmth = session:create(Sensor, { label = "Temperature", unit = "°C", max = 40, warn = 30, bad = 35 })
  page._damp = session:create(Sensor, { label = "Humidity", unit = "%", warn = 80, bad = 92 })
  page._power = session:create(Sensor, { label = "Power", unit = "W", max = 500 })
  page.sensors = { page._warmth, page._damp, page._power }
  for _ = 1, HISTORY do page:simulate() end -- a chart that starts full
  page:readClock()
  return page
end

-- On screen, off screen ------------------------------------------------------------------------

function Live:enter()
  self:readClock()
  self:start()
end

function Live:leave()
  self:stop()
end

function Live:start()
  self:stop()
  if self.running then
    self.timer = session:setInterval(function() self:tick() end, self.everyMs)
  end
end

function Live:stop()
  if self.timer then session:clearInterval(self.timer) end
  self.timer = nil
end

function Live:tick()
  self.ticks = self.ticks + 1
  self:readClock()
  self:simulate()
end

function Live:togglePause()
  self.running = not self.running
  self:start()
end

function Live:pauseLabel()
  return self.running and "Pause" or "Resume"
end

--- Read without, written with a value: how long a tick takes, as the selection's text.
function Live:pace(value)
  if tonumber(value) then
    self.everyMs = math.max(100, math.floor(tonumber(value)))
    self:start()
  end
  return tostring(self.everyMs)
end

function Live:readClock()
  self.time = os.date("%H:%M:%S")
  self.date = os.date("%A, %d %B %Y"):gsub(" 0", " ")
end

-- The counter ----------------------------------------------------------------------------------

function Live:increment() self.count = self.count + (tonumber(self.step) or 1) end
function Live:decrement() self.count = self.count - (tonumber(self.step) or 1) end
function Live:reset() self.count = 0 end

-- The contacts, counted ------------------------------------------------------------------------

--- How many contacts live in each of the most frequent cities, and the cities' names. Counted again
--- only when some contact has changed.
function Live:cityCounts() return self:tally().counts end
function Live:cityNames() return self:tally().names end

function Live:tally()
  local contacts = self.app.contacts
  if self._tally and self._tally.revision == contacts.revision then return self._tally end
  local by_city, cities = contacts:countByCity()
  local tally = { revision = contacts.revision, counts = {}, names = {} }
  for i = 1, math.min(CITIES, #cities) do
    tally.counts[i], tally.names[i] = by_city[cities[i]], cities[i]
  end
  self._tally = tally
  return tally
end

-- The greenhouse -------------------------------------------------------------------------------

--- One step of a simple model: the lamp warms, the fan brings the air outside in.
function Live:simulate()
  local fan = math.max(0, math.min(100, tonumber(self.fan) or 0))
  local warmth = self.lamp and 24 or 5
  local target = OUTSIDE + warmth * (1 - fan / 130)
  self.temperature = self.temperature + (target - self.temperature) * 0.12 + (math.random() - 0.5) * 0.7
  local damp = 78 - fan * 0.45 - (self.lamp and 6 or 0)
  self.humidity = self.humidity + (damp - self.humidity) * 0.1 + (math.random() - 0.5) * 1.6

  self._warmth.value = math.floor(self.temperature * 10 + 0.5) / 10
  self._damp.value = math.floor(math.max(0, math.min(100, self.humidity)) + 0.5)
  self._power.value = (self.lamp and 320 or 0) + math.floor(fan * 1.6)

  local points = self.points
  points[#points + 1] = self._warmth.value
  if #points > HISTORY then table.remove(points, 1) end
end

function Live:fanLabel()
  return math.floor(tonumber(self.fan) or 0) .. " %"
end

return Live
