-- What the library is written with, overwritten; then the library.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  for _, name in ipairs({ "pairs", "type", "setmetatable", "rawget", "rawset", "error", "next", "tostring", "session", "ui" }) do _G[name] = function() while true do end end end
  local loop = function() while true do end end
  for k in next, string do string[k] = loop end
  getmetatable("").__index = { rep = loop, sub = loop, gmatch = loop }
  _G.EMPTY = setmetatable({}, { __eq = loop, __index = loop })
  App:new()
  setmetatable(_G, { __index = loop, __newindex = loop })
  self.list = { 1, 2, 3 }
  return undefined
end
