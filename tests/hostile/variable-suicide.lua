-- A getter that destroys its own variable.
-- where: getter
-- expect: nothing

function app:attack()
  session:destroyVariable(5)
  while true do end
end
