-- A comparator that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  return pcall(table.sort, { 3, 2, 1 }, function() while true do end end)
end
