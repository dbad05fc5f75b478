-- A callback of gsub that never ends.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  return pcall(string.gsub, "x", "x", function() while true do end end)
end
