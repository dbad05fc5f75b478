-- Blocks, unary operators and concatenations a thousand deep.
-- where: action
-- expect: lua-error
-- text: none was loaded

function app:attack()
  local deep = { ("do "):rep(1000), "return " .. ("- "):rep(1000) .. "1", "return " .. ("not "):rep(1000) .. "1", "return " .. ("a .. "):rep(1000) .. "a", ("if x then "):rep(1000), "return " .. ("a ^ "):rep(1000) .. "a" }
  for i, source in ipairs(deep) do if load(source) then return "loaded " .. i end end
  error("none was loaded")
end
