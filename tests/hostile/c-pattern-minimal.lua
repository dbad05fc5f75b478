-- Minimal expansion over a long text.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("a"):rep(100000)
  while true do s:find(".-b") end
end
