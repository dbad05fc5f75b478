-- A constructor of create= that never ends.
-- where: create
-- expect: limit
-- text: gas limit

Attack = {}
function Attack:new() while true do end end
