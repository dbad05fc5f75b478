-- An uploaded file: read at odd places, moved everywhere, and taken for another one.
-- where: upload
-- expect: limit
-- text: gas limit

function app:attack(file)
  local odd = { -1, 0, 1.5, 3, 2 ^ 53, math.maxinteger, math.mininteger, 0 / 0, 1 / 0, "x", "7", {}, print, true, "../../etc/passwd", "/dev/null", "\0", ("x"):rep(5000), file }
  local read, move = file.read, file.moveTo
  while true do
    for i = 1, #odd do
      pcall(read, odd[i]) pcall(move, odd[i], "data/x") pcall(move, file, odd[i])
      for j = 1, #odd do pcall(read, file, odd[i], odd[j]) end
      file._upload = odd[i]
      pcall(read, file) pcall(move, file, "data/x") pcall(setmetatable, file, {}) pcall(rawset, file, "read", odd[i])
      file._upload, file.read = 1, nil
    end
  end
end
