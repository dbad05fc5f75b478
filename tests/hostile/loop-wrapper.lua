-- A wrapper whose new() never ends.
-- where: wrapper
-- expect: limit
-- text: gas limit

app.value = 1
Attack = {}
function Attack:new() while true do end end
