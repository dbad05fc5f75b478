-- The libraries, filled in again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do for k in pairs(string) do string[k] = nil end for k in pairs(math) do math[k] = nil end end
end
