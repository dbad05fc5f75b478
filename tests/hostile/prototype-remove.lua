-- removePrototype with names that are none.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  session:prototype("A.b", {}) session:prototype("A.c", {})
  while true do session:removePrototype("A", true) pcall(session.removePrototype, session, {}, true) session:prototype("A.b", {}) end
end
