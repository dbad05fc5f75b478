-- A list whose length lies.
-- where: list
-- expect: limit
-- keeps

app.list = setmetatable({}, { __len = function() return 1e9 end })
Attack = {}
function Attack:new(item) return {} end
