-- A watch of a variable that never ends.
-- where: action
-- expect: log
-- text: gas limit

function app:attack()
  session:watchVariable(2, function() while true do end end)
  self.n = self.n + 1
end
