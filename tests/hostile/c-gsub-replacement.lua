-- A replacement of a million references to nothing, at each place.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s, r = ("x"):rep(100000), ("%0"):rep(250000)
  while true do s:gsub("y?", r) end
end
