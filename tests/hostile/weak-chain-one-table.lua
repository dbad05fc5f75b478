-- The same chain in one table.
-- where: action
-- expect: limit
-- text: gas limit
-- gas: 10000000
-- memory: 16777216

function app:attack()
  local keys, order = {}, {}
  local count = 30000
  for i = 1, count do keys[i] = {} order[i] = i end
  for i = count, 2, -1 do local j = math.random(i) order[i], order[j] = order[j], order[i] end
  local weak = setmetatable({}, { __mode = "k" })
  for k = 1, count - 1 do local i = order[k] if keys[i + 1] then weak[keys[i]] = keys[i + 1] end end
  kept = { weak, keys[1] }
  keys = nil
  while true do local t = {} end
end
