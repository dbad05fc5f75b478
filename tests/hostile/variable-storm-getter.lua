-- A getter that makes variables at every look.
-- where: getter
-- expect: limit
-- text: gas limit
-- keeps

function app:attack()
  for i = 1, 500 do session:createVariable(1, "n") end
  return 1
end
