-- A main.lua that never ends.
-- where: main
-- expect: failed
-- text: gas limit

while true do end
