-- A wrapper that is a trap for every question.
-- where: wrapper
-- expect: limit
-- text: gas limit

app.value = 1
local loop = function() while true do end end
Attack = setmetatable({}, { __index = function(t, k) if k == "new" then return function() return setmetatable({}, { __index = loop, __newindex = loop }) end end end })
