-- A reader function of load that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  return load(function() while true do end end)
end
