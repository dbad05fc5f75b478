-- Required by main.lua beside this file.
local module = {}
function module.fail(text) error({ text = "failed " .. text }) end
return module
