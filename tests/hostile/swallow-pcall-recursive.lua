-- Each level catches what the one below raised, and goes on.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local function f() pcall(f) while true do end end
  f()
end
