-- What only shows: attributes, classes, styles, properties, markup. `put` sets the one value that all of them show.
local App = session:prototype("App", { heard = "" })

function App:put(text)
  self.value = text ~= "" and ui.json_decode(text) or nil
end

function App:hear(what) self.heard = tostring(what) end

local app = session:create(App)
app.html = "first <b>bold</b>"
session:createAppVariable(app)
