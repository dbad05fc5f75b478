-- One lookup goes through two thousand tables, again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local t = {}
  for i = 1, 1990 do t = setmetatable({}, { __index = t }) end
  while true do local x = t.a, t.b, t.c, t.d, t.e, t.f, t.g, t.h end
end
