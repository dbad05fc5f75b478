-- Defaults that contain themselves, many times over.
-- where: action
-- expect: limit

function app:attack()
  local t = {}
  for i = 1, 8 do t[i] = t end
  session:prototype("Cycle", { t = t })
end
