-- Numerals of 200 and 500 digits.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s, t = ("1"):rep(199), ("1"):rep(600)
  while true do local x = s + 1, tonumber(t), tonumber(t, 36), tonumber("0x" .. s) end
end
