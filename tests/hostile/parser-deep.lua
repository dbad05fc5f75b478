-- Brackets a hundred thousand deep.
-- where: action
-- expect: lua-error
-- text: overflow

function app:attack()
  return assert(load("return " .. ("("):rep(100000) .. "1"))
end
