-- A table that is rehashed with each insertion.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 4095 do t["k" .. i] = i end
  local i = 0
  while true do
    i = i + 1
    t["x" .. i] = 1
    t["x" .. i] = nil
  end
end
