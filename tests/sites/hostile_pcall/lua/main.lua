-- hostile_pcall: an endless loop that protects itself from being ended, many levels deep.
-- `count` and `increment` show that the session itself goes on working.

local App = session:prototype("App", { count = 0 })

function App:increment()
  self.count = self.count + 1
end

local function endless()
  while true do end
end

local function stubborn(depth)
  while true do
    if depth == 0 then pcall(endless) else pcall(stubborn, depth - 1) end
  end
end

function App:attack()
  stubborn(50)
end

session:createAppVariable(session:create(App))
