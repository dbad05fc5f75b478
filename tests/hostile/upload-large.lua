-- An uploaded file of which everything is kept.
-- where: upload
-- expect: limit
-- text: not enough memory

function app:attack(file)
  local all, at = {}, 0
  while true do
    all[#all + 1] = file:read(at, 65536)
    at = at + 65536
  end
end
