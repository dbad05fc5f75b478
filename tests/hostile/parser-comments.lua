-- A megabyte of comments.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local s = "--[==[" .. ("]=] "):rep(100000) .. "]==]"
  while true do load(s) end
end
