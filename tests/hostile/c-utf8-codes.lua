-- The iterator of utf8.codes, called on a megabyte of continuation bytes.
-- where: action
-- expect: limit
-- text: gas limit
-- memory: 16777216

function app:attack()
  local f, s = utf8.codes(""), ("\x80"):rep(1000000)
  while true do pcall(f, s, 1) end
end
