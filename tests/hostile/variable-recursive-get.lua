-- A getter that reads itself.
-- where: getter
-- expect: lua-error
-- text: overflow

function app:attack()
  return session:getVariable(5):getValue()
end
