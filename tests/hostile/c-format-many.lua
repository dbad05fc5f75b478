-- A format with thousands of items.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local f, t = ("%s"):rep(5000), {}
  for i = 1, 5000 do t[i] = "" end
  while true do f:format(table.unpack(t)) end
end
