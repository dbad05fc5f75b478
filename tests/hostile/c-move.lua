-- Moving nothing, far.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  table.move({}, 1, 1e15, 2)
end
