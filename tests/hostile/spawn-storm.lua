-- Programs that were never granted.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do
    pcall(session.spawn, session, { cmd = "true" })
    pcall(session.readFile, session, "/etc/passwd")
    pcall(session.writeFile, session, "data/x", "x")
    pcall(os.remove, "x")
  end
end
