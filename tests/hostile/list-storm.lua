-- A list whose presenter adds an element each time.
-- where: list
-- expect: nothing
-- keeps

app.list = {}
for i = 1, 10 do app.list[i] = { i } end
Attack = {}
Attack.__index = Attack
function Attack:new(item) app.list[#app.list + 1] = {} return setmetatable({}, Attack) end
