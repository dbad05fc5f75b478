-- Changing the case of a megabyte.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("a"):rep(500000)
  while true do s:upper() s:lower() s:reverse() end
end
