-- A message that holds the same table again and again, 2^40 times in all.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = { 1 }
  for _ = 1, 40 do t = { t, t } end
  session:publish("t", t)
end
