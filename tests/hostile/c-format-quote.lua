-- Quoting.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("\0\n\""):rep(30000)
  while true do ("%q"):format(s) end
end
