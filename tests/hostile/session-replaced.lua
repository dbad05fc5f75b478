-- The functions of the session and of handles, called with wrong arguments.
-- where: action
-- expect: limit
-- text: gas limit
-- gas: 5000000
-- keeps

function app:attack()
  local v = session:getVariable(1)
  local calls = { session.createVariable, session.getVariable, session.watchProperty, session.watchVariable, session.unwatch, session.prototype, session.create, session.removePrototype, session.setTimeout, session.setInterval, session.clearTimeout, session.log, ui.json_encode, ui.json_decode, ui.registerWrapper, v.getId, v.getValue, v.setProperty, v.updateProperties, v.getWrapper, v.getError, v.getProperty }
  local values = { 1.5, -1, "x", {}, print, v, true, math.mininteger, 0 / 0, coroutine.create(print), "\xff\0" }
  for _, f in ipairs(calls) do
    for i = 1, #values do
      pcall(f) pcall(f, values[i]) pcall(f, session, values[i])
      for j = 1, #values do pcall(f, session, values[i], values[j]) pcall(f, v, values[i], values[j], values[i]) end
    end
  end
  for id = -20, 20 do if id < 1 or id > 10 then pcall(session.destroyVariable, session, id) end end
  while true do end
end
