-- string.pack with padding, char, utf8.char.
-- where: action
-- expect: limit

function app:attack()
  return string.pack("s4s4s4", ("x"):rep(900000), ("y"):rep(900000), ("z"):rep(900000)) .. string.pack(("d"):rep(100000), table.unpack({ 1 }, 1, 1))
end
