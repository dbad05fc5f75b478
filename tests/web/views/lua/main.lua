-- Which viewdef shows an object, and what becomes of the element that it takes the place of.
local App = session:prototype("App", { clear = 0 })
local Item = session:prototype("Item", {})
local Box = session:prototype("Box", {})
session:prototype("Lost", {})

function App:toggle() self.gone = not self.gone and session:create(Item, { name = "here" }) or nil end
function App:lose() self.lost = { type = "Lost", name = "nobody shows me", n = 3, list = { 1, 2 }, _secret = "x" } end
function App:find() self.lost = session:create(Item, { name = "found" }) end

local function item(name) return session:create(Item, { name = name }) end

local app = session:create(App)
app.one, app.two, app.three, app.four = item("one"), item("two"), item("three"), item("four")
app.box = session:create(Box)
app.box.inner, app.box.rows = item("inner"), { item("row") }
app.rows = { item("a"), item("b") }
app.texts = { "x", "y" }
session:createAppVariable(app)
