-- Names of types and metatables of half a megabyte.
-- where: action
-- expect: lua-error
-- keeps

function app:attack()
  local name = ("N"):rep(500000)
  app.value = setmetatable({ type = name }, { __name = name })
  return app.value + 1
end
