-- An array that contains itself many times over.
-- where: getter
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 12 do t[i] = t end
  return t
end
