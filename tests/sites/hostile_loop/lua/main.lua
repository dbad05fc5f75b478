-- hostile_loop: an action that never returns.
-- `count` and `increment` show that the session itself goes on working.

local App = session:prototype("App", { count = 0 })

function App:increment()
  self.count = self.count + 1
end

function App:attack()
  while true do end
end

session:createAppVariable(session:create(App))
