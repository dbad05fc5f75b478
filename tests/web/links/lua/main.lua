-- An app of several pages: what is shown follows the address.
local App = session:prototype("App", { deep = "/far/away?x=1#part" })
local Home = session:prototype("Home", { note = "" })
local List = session:prototype("List", {})
local About = session:prototype("About", {})

function Home:go() session:navigate("/list") end

function List:init()
  self.rows = {}
  for i = 1, 200 do self.rows[i] = i end
end

local app = session:create(App)

local function show(url)
  app.url = url
  if url:find("^/list") then
    app.page = session:create(List)
    app.page:init()
  elseif url:find("^/about") then
    app.page = session:create(About)
  elseif url:find("^/same") then
    app.same = url
  else
    app.page = session:create(Home)
  end
end

-- Addresses of others are none of the app's.
function App:outside() return "https://elsewhere.example/x" end
function App:go() session:navigate("/list") show("/list") end

session:createAppVariable(app)
session:watchProperty(1, "url", show)
show(session.url)
