-- Ever new objects under ever new names.
-- where: action
-- expect: limit
-- keeps

function app:attack()
  local n = 0
  while true do n = n + 1; session:registerVariable("v" .. n, { n }) end
end
