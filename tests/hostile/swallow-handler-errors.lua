-- Errors in handlers of errors.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do xpcall(error, function() xpcall(error, error) error(error) end) end
end
