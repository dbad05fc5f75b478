-- A window on a list that says it is endless.
-- where: action
-- expect: limit
-- keeps

function app:attack()
  local rows = setmetatable({}, { __len = function() return 1 << 40 end, __index = function() return {} end })
  app.rows = rows
  local v = session:createVariable(1, "rows", { wrapper = "lua.ViewList", window = "1000000000", range = "0-999999999" })
  session:watchVariable(v, function() end)
  while true do end
end
