-- A chunk in the property lua that never ends.
-- where: code
-- expect: limit
-- text: gas limit

while true do end
