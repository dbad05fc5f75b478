-- A room: sessions of one server talk to each other; pages have addresses; the talk can be saved.
Room = session:prototype("Room", { lines = EMPTY, draft = "", page = "/", saved = "" })

local room = session:create(Room)
room.lines = {}
room.page = session.url

session:subscribe("room", function(line)
  table.insert(room.lines, line)
  if line.from ~= session.id then session:notify("new from " .. line.from) end
end)

function Room:say()
  if self.draft == "" then return nil, "say something" end
  session:publish("room", { from = session.id, text = self.draft }, { retain = true })
  self.draft = ""
end

function Room:show()
  local out = {}
  for i, line in ipairs(self.lines) do out[i] = line.from .. ": " .. line.text end
  return table.concat(out, " | ")
end

function Room:open(page)
  session:navigate(page)
  self.page = session.url
end

function Room:about() self:open("/about") end
function Room:help() self:open("/help?topic=rooms") end
function Room:where() return (session.locale or "?") .. " " .. (session.timezone or "?") end

function Room:save()
  local i = 0
  self.saved = session:download("room.txt", "text/plain; charset=utf-8", function()
    i = i + 1
    if i <= 200 then return string.rep("line " .. i .. "\n", 1000) end
  end)
end

session:createAppVariable(room)
session:watchProperty(1, "url", function(url) room.page = url end)
