-- Errors with huge messages.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = ("x"):rep(500000)
  while true do pcall(error, s .. 1) pcall(function() error(s, 2) end) end
end
