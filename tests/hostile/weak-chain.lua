-- Weak keys in a shuffled chain: collecting them takes the square of their number.
-- where: action
-- expect: limit
-- text: gas limit
-- gas: 10000000
-- memory: 16777216

function app:attack()
  local keys, order = {}, {}
  for i = 1, 20000 do keys[i] = {} order[i] = i end
  for i = 20000, 2, -1 do local j = math.random(i) order[i], order[j] = order[j], order[i] end
  local weak = {}
  for k = 1, 19999 do
    local i = order[k]
    weak[k] = setmetatable({ [keys[i]] = keys[i + 1] }, { __mode = "k" })
  end
  weak.first = keys[1]
  if keys[20000] then keys = nil end
  kept = weak
  while true do local t = {} end
end
