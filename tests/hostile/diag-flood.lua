-- Remarks without end.
-- where: getter
-- expect: limit
-- text: gas limit

function app:attack()
  local text = ("ü"):rep(5000)
  while true do diag(1, text) end
end
