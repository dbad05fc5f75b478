-- Texts, all kept.
-- where: action
-- expect: limit
-- text: not enough memory
-- gas: 10000000

function app:attack()
  local t = {}
  while true do t[#t + 1] = ("x"):rep(1000) .. #t end
end
