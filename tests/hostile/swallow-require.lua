-- pcall of a module that is broken, and of one that raises something new each time.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do pcall(require, "broken") pcall(require, "unique") end
end
