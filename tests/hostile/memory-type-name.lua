-- A type name of half a megabyte, shown; another at every look.
-- where: getter
-- expect: nothing
-- gas: 10000000
-- memory: 16777216
-- keeps

function app:attack()
  self.i = (self.i or 0) + 1
  return { type = ("N"):rep(500000) .. self.i }
end
