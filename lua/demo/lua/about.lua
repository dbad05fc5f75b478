-- About: what this is, and a few facts about the session that shows it.

local Page = require("page")

local About = session:prototype("About", { address = "/about", app = EMPTY, visits = 0 }, Page)

function About:new(app)
  return session:create(About, { app = app })
end

function About:enter()
  self.visits = self.visits + 1
  self._kilobytes = math.floor(collectgarbage("count"))
end

--- Memory of this session's Lua, when the page was opened.
function About:memory()
  return self._kilobytes .. " KB"
end

function About:language()
  return _VERSION
end

function About:sessionName()
  return "No. " .. tostring(session.id)
end

return About
