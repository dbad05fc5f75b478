-- hostile_error: an action that raises an error after it has changed something.
-- `count` and `increment` show that the session itself goes on working.

local App = session:prototype("App", { count = 0 })

function App:increment()
  self.count = self.count + 1
end

function App:attack()
  self.count = self.count + 100
  local nothing = nil
  return nothing.field
end

session:createAppVariable(session:create(App))
