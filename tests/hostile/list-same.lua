-- The same element ten thousand times.
-- where: list
-- expect: limit
-- gas: 300000
-- keeps

local e = {}
app.list = {}
for i = 1, 10000 do app.list[i] = e end
Attack = {}
function Attack:new(item) return { item = item } end
