-- Paths with as many arguments and as deep as may be, made without end.
-- where: action
-- expect: limit
-- keeps

function app:attack()
  local path = "f(" .. ("1,"):rep(15) .. "1)"
  while true do session:createVariable(1, path .. "." .. path .. "." .. path) end
end
