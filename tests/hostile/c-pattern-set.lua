-- A character set of a hundred thousand characters.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s, set = ("x"):rep(100000), "[" .. ("a"):rep(100000) .. "]"
  while true do s:match(set) end
end
