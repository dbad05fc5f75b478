-- An immediate that starts itself, for ever: one a turn.
-- where: timer
-- expect: nothing

function app:attack()
  local function f() session:setImmediate(f) end
  f()
end
