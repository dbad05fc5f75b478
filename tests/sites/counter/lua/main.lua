-- counter: the smallest site. One number, one text, one action.

local App = session:prototype("App", { count = 0, name = "ready" })

function App:increment()
  self.count = self.count + 1
end

session:createAppVariable(session:create(App))
