-- The page of `lunette inspect FILE`: a recording, looked at turn by turn. An ordinary site; what is special is
-- who answers session:readFile here: not the disk but the recording (src/inspect/ says which questions there are).
--
-- Reading order: ask (questions), reading (the wait for the first run), inspector (the whole page), timeline
-- (where one is), moment (what happened there), variables and objects (the state then), history (when a value
-- changed), words (numbers and times in words).

local Reading = require("reading")
local Inspector = require("inspector")

--- App: the wait, and then the page.
local App = session:prototype("App", { content = EMPTY })

local app = session:create(App)
app.content = Reading:new(function(recording)
  app.content = Inspector:new(recording)
end)
session:createAppVariable(app)
