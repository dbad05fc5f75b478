-- Texts that are alike but for a few bytes.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  local s = ("a"):rep(1000)
  local i = 0
  while true do i = i + 1 t[s .. i] = true if i % 100 == 0 then t = {} end end
end
