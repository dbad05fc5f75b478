-- An itemWrapper whose new() never ends.
-- where: list
-- expect: limit
-- text: gas limit

app.list = { {}, {}, {} }
Attack = {}
function Attack:new() while true do end end
