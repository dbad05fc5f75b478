-- pcall of pcall of pcall.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  return select(2, pcall(pcall, pcall, pcall, function() while true do end end))
end
