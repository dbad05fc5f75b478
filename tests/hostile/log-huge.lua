-- Lines of half a megabyte that are no text.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("\xff\n"):rep(250000)
  while true do session:log(0, s) print(s, s) end
end
