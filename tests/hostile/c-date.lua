-- Dates of long formats.
-- where: action
-- expect: limit

function app:attack()
  local f = ("%c"):rep(10000)
  while true do os.date(f) pcall(os.time, { year = 1e9, month = 1, day = 1 }) end
end
