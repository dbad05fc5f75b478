-- A getter that destroys its own variable.
-- where: getter
-- expect: nothing

function app:attack()
  session:destroyVariable(10)
  while true do end
end
