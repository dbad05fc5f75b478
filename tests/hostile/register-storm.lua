-- Names for variables come and go without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local n = 0
  while true do n = n + 1; session:registerVariable("v" .. n % 100, app) session:registerVariable("v" .. n % 100, nil) end
end
