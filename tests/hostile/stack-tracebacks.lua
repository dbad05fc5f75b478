-- Tracebacks from deep down: a module that raises something new each time.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local function down(n)
    if n > 0 then return 1 + down(n - 1) end
    while true do pcall(require, "unique") end
  end
  down(20000)
end
