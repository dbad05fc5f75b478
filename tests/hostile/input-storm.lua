-- The locale is set without end.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  while true do session.locale = "de-CH" session.timezone = "Europe/Zurich" local _ = session.locale .. session.url end
end
