-- A long chain of callable tables, called again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local f = function() end
  for i = 1, 3000 do f = setmetatable({}, { __call = f }) end
  while true do f() end
end
