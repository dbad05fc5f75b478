-- Tables and functions a thousand deep.
-- where: action
-- expect: lua-error
-- text: overflow

function app:attack()
  return assert(load(("return {function() "):rep(1000)))
end
