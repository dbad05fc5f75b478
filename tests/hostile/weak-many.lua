-- Weak tables of every kind, made and dropped.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do
    local t = setmetatable({}, { __mode = "kv" })
    for i = 1, 50 do t[{}] = {} t[i] = {} end
  end
end
