-- A constructor that creates variables that create.
-- where: create
-- expect: lua-error
-- keeps

Attack = {}
function Attack:new() session:createVariable(1, "x", { create = "Attack" }) return {} end
