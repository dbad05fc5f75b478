-- Tables of tables.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  local t = {}
  while true do t = { t, {}, {} } end
end
