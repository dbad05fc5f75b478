-- Every function of the library, called with odd arguments.
-- where: action
-- expect: limit
-- text: gas limit
-- gas: 20000000
-- memory: 16777216

function app:attack()
  local values = { 1.5, -1, 0, "x", "", {}, print, true, math.mininteger, math.maxinteger, 0 / 0, 1 / 0, coroutine.create(print), "\xff\0", "%", "[", "%b", "%f" }
  for _, library in ipairs({ string, table, math, utf8, os, coroutine }) do
    for name, f in pairs(library) do
      if name ~= "yield" then
        for i = 1, #values do
          pcall(f) pcall(f, values[i])
          for j = 1, #values do pcall(f, values[i], values[j]) pcall(f, values[i], values[j], values[i]) end
        end
      end
    end
  end
  while true do end
end
