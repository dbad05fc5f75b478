-- Packing and unpacking.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local f = (" "):rep(100000)
  while true do string.packsize(f) string.pack(f) string.unpack(f, "") end
end
