-- A module that never ends.
-- where: require
-- expect: limit
-- text: gas limit

while true do end
