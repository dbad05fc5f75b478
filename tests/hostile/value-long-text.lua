-- A text of three megabytes, different at every look.
-- where: getter
-- expect: nothing
-- gas: 3000000
-- memory: 16777216
-- keeps

function app:attack()
  self.i = (self.i or 0) + 1
  return ("x"):rep(1500000) .. self.i
end
