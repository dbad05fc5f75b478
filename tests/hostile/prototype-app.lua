-- The app's own prototype, emptied and poisoned.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  self.n = 0
  for k in pairs(App) do if k ~= "n" and k ~= "__index" then App[k] = nil end end
  App.type = setmetatable({}, { __tostring = function() while true do end end })
  App.__index = function(t, k) while k == "nothing" do end end
  return self.nothing
end
