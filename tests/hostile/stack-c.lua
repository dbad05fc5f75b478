-- Recursion through pcall, gsub, sort, load, coroutines and tostring.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local deep = {}
  deep[1] = function() return pcall(deep[2]) end
  deep[2] = function() return (("x"):gsub("x", deep[3])) end
  deep[3] = function() table.sort({ 3, 2, 1 }, deep[4]) end
  deep[4] = function() return load(deep[5]) end
  deep[5] = function() return coroutine.wrap(deep[6])() end
  deep[6] = function() return tostring(setmetatable({}, { __tostring = deep[1] })) end
  while true do pcall(deep[1]) end
end
