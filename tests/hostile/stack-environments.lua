-- Environments of callers, looked up from deep down.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local function down(n)
    if n > 0 then return 1 + down(n - 1) end
    while true do pcall(getfenv, 20000) pcall(getfenv, 19000) end
  end
  down(20000)
end
