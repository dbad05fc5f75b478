-- As many captures as there may be.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("x"):rep(100000)
  while true do s:find(("(.-)"):rep(32) .. "y") end
end
