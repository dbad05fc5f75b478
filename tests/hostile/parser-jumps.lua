-- An if of a hundred thousand branches: a list of jumps that is patched.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local t = { "local x, y if x then" }
  for i = 1, 8000 do t[#t + 1] = "elseif x then" end
  t[#t + 1] = "end return " .. ("x and "):rep(5000) .. "y"
  local s = table.concat(t, "\n")
  while true do load(s) end
end
