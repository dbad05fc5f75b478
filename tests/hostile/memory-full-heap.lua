-- A full heap, and then all that needs a little more.
-- where: action
-- expect: lua-error
-- text: full
-- gas: 30000000

function app:attack()
  kept = {}
  pcall(function() while true do kept[#kept + 1] = ("x"):rep(64) .. #kept end end)
  pcall(function() while true do kept[#kept + 1] = {} end end)
  local t = {}
  for i = 1, 100 do pcall(function() t[i] = { i } session:createVariable(1, t[i]) session:setTimeout(print, 1) end) end
  local s = tostring(t) .. ("x"):rep(100)
  return ("%s"):format(s), ui.json_encode(t), error("full " .. s)
end
