-- A watch that changes what it watches.
-- where: action
-- expect: log
-- text: rounds
-- keeps

function app:attack()
  session:watchVariable(2, function(v) app.n = v + 1 end)
  self.n = 1
end
