-- One star goes through the whole text in one step.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("a"):rep(1000000)
  while true do s:find("a*") s:find("^.*$") s:match("()a*()") end
end
