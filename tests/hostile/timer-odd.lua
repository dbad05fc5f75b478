-- Timers with odd arguments.
-- where: action
-- expect: lua-error
-- text: function expected

function app:attack()
  for _, ms in ipairs({ -1, 0, 0 / 0, math.huge, -math.huge, 2 ^ 53, math.mininteger }) do session:clearTimeout(session:setTimeout(print, ms)) end
  session:setTimeout(1, 2)
end
