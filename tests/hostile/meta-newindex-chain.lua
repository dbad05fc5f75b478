-- One assignment goes through two thousand tables, again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = setmetatable({}, { __newindex = rawequal })
  for i = 1, 1990 do t = setmetatable({}, { __newindex = t }) end
  while true do t.a = 1 t.b = 1 t.c = 1 t.d = 1 end
end
