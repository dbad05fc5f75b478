-- As many results as the stack can have.
-- where: action
-- expect: lua-error
-- text: too many results

function app:attack()
  return table.unpack({}, 1, 1e6)
end
