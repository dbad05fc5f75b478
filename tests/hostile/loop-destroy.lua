-- A wrapper whose destroy() never ends: it is cut sooner, and logged.
-- where: destroy
-- expect: log
-- text: gas limit

app.value = 1
Attack = {}
Attack.__index = Attack
function Attack:new() return setmetatable({}, Attack) end
function Attack:destroy() while true do end end
