-- ticks: a number that a timer raises ten times a second.

local App = session:prototype("App", { count = 0 })
local app = session:create(App)

session:setInterval(function()
  app.count = app.count + 1
end, 100)

session:createAppVariable(app)
