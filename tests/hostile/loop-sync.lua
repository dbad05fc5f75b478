-- A wrapper whose sync() never ends.
-- where: sync
-- expect: limit
-- text: gas limit

app.value = 1
function app:change() self.value = 2 end
Attack = {}
Attack.__index = Attack
function Attack:new() return setmetatable({}, Attack) end
function Attack:sync() while true do end end
