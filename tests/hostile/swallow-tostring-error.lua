-- An error object whose __tostring never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  error(setmetatable({}, { __tostring = function() while true do end end }))
end
