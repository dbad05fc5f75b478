-- A megabyte of nothing, parsed again and again.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = (" "):rep(500000)
  while true do load(s) end
end
