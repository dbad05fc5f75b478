-- typing: fields that are typed in while everything around them changes, and while what shows them is made anew.

local App = session:prototype("App", { card = EMPTY, ticks = 0, restless = false })
local Card = session:prototype("Card", {
  plain = "", live = "", shout = "", area = "", note = "", count = 0, clicks = 0, kind = "one", word = "",
})
local Other = session:prototype("Other", {}, Card)
local app = session:create(App, { card = session:create(Card) })

-- Upper case comes back, so that the server's own text is what is to be seen in the end.
function Card:loud(text)
  if text ~= nil and text:find("!", 1, true) then return nil, "Without exclamation marks, please" end
  if text ~= nil then self.shout = string.upper(text) end
  return self.shout
end

function Card:neighbour() return "neighbour " .. app.ticks end

function Card:take(form) self.word = form.word end

function Card:click() self.clicks = self.clicks + 1 end

function Card:mirror() return table.concat({ self.plain, self.live, self.shout, self.area }, "|") end

-- Every 50 ms the server writes beside what is typed; every half second the card is shown by the other template.
local ticking
function App:start(anew)
  session:clearInterval(ticking)
  ticking = session:setInterval(function()
    app.ticks = app.ticks + 1
    app.card.count = app.card.count + 1
    app.card.note = "note " .. app.ticks
    if anew and app.ticks % 10 == 0 then app:turn() end
  end, 50)
end

function App:turn()
  local card = app.card
  local from = card.kind == "one" and Other or Card
  app.card = session:create(from, {
    plain = card.plain, live = card.live, shout = card.shout, area = card.area, clicks = card.clicks,
    kind = card.kind == "one" and "two" or "one",
  })
end

function App:startCalm() self:start(false) end
function App:startAnew() self:start(true) end
function App:stop() session:clearInterval(ticking) end

session:createAppVariable(app)
