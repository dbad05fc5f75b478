-- A getter that gives ten thousand new objects at every look.
-- where: getter
-- expect: limit
-- gas: 200000
-- keeps

function app:attack()
  local t = {}
  for i = 1, 10000 do t[i] = { i } end
  return t
end
