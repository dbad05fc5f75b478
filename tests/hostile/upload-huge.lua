-- An uploaded file read in pieces as large as can be asked for, caught every time.
-- where: upload
-- expect: limit
-- text: gas limit

function app:attack(file)
  while true do pcall(file.read, file, 0, math.maxinteger) end
end
