-- Every kind of element that the theme knows, on one page, with values that are bound.

local HISTORY = 60

local Gallery = session:prototype("Gallery", {
  -- form controls
  text = "Ada Lovelace",
  email = "ada@analytical",
  secret = "engine",
  amount = 42,
  share = 65,
  colour = "#3b5bdb",
  day = "2026-03-21",
  time = "09:30",
  note = "The engine weaves algebraic patterns\njust as the loom weaves flowers and leaves.",
  plan = "monthly",
  size = "m",
  extras = EMPTY,
  news = true,
  dark = true,
  -- what moves
  points = EMPTY,
  inbound = EMPTY,
  outbound = EMPTY,
  clicks = 0,
})

--- Row: a line of the table.
local Row = session:prototype("Row", { name = "", city = "", orders = 0, state = "ok", word = "" })

function Gallery:click() self.clicks = self.clicks + 1 end

--- One of each kind.
function Gallery:tell()
  session:notify("A new version is ready.", "info")
  session:notify("Saved Ada Lovelace.", "success")
  session:notify("The disk is nearly full: 4 % are left.", "warning")
  session:notify("The printer does not answer. Is it switched on?", "error")
end

--- Read without, written with a value.
function Gallery:refused(value)
  if value then return nil, "This field refuses everything." end
  return ""
end

--- One more point, as a sensor would bring it.
function Gallery:append()
  self.points[#self.points + 1] = 20 + #self.points % 7
end

--- As many as a long history has.
function Gallery:fill()
  local points = {}
  for i = 1, 1000 do points[i] = math.floor(200 + 80 * math.sin(i / 60)) / 10 end
  self.points = points
end

function Gallery:months() return { "Jan", "Feb", "Mar", "Apr", "May", "Jun" } end
function Gallery:sales() return { 34, 41, 28, 57, 63, 49 } end
function Gallery:low() return 12 end
function Gallery:middle() return 76 end
function Gallery:high() return 94 end

local gallery = session:create(Gallery, { points = {}, inbound = {}, outbound = {}, extras = { "b" } })
for i = 1, HISTORY do
  gallery.points[i] = math.floor(200 + 40 * math.sin(i / 9) + i % 5 * 6) / 10
  gallery.inbound[i] = math.floor(300 + 120 * math.sin(i / 7))
  gallery.outbound[i] = math.floor(200 + 90 * math.cos(i / 8))
end
gallery.rows = {
  session:create(Row, { name = "Ada Lovelace", city = "London", orders = 1843, state = "ok", word = "active" }),
  session:create(Row, { name = "Grace Hopper", city = "New York", orders = 906, state = "warn", word = "waiting" }),
  session:create(Row, { name = "Annie Easley", city = "Birmingham", orders = 33, state = "bad", word = "blocked" }),
}
session:createAppVariable(gallery)
