-- All that one event may use: two messages, detection, and what is tidied up.
-- where: event
-- expect: limit
-- text: gas limit

app.value = 1
function app:attack() while true do end end
function app:spin() while true do end end
Attack = {}
Attack.__index = Attack
function Attack:new() return setmetatable({}, Attack) end
function Attack:destroy() while true do end end
