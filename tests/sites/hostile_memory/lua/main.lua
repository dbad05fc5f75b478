-- hostile_memory: an action that takes all the memory it can get.
-- `count` and `increment` show that the session itself goes on working.

local App = session:prototype("App", { count = 0 })

function App:increment()
  self.count = self.count + 1
end

function App:attack()
  local hoard = {}
  while true do hoard[#hoard + 1] = ("x"):rep(65536) .. #hoard end
end

session:createAppVariable(session:create(App))
