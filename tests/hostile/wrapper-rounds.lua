-- A wrapper that asks for another round each time.
-- where: wrapper
-- expect: nothing
-- keeps

app.value = {}
Attack = {}
Attack.__index = Attack
function Attack:new() app.value = {} return setmetatable({}, Attack) end
function Attack:sync() app.value = {} end
