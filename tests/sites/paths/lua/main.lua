local App = session:prototype("App", { title = "Shop", done = false, picked = "", count = 3, child = EMPTY })
local Child = session:prototype("Child", { name = "inner" })

function App:state() return self.done and "done" or "open" end
function App:pick(text, value, count) self.picked = text .. "|" .. tostring(value) .. "|" .. count end
function App:rename(title) self.title = title end
function Child:has(text, title) return self.name .. " has " .. text .. " of " .. title end

local app = session:create(App, { child = session:create(Child) })
session:createAppVariable(app)
session:registerVariable("user", { name = "Ann" })
