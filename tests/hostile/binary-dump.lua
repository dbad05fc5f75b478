-- string.dump, debug, io, package and the rest that is not there.
-- where: action
-- expect: lua-error
-- text: session:spawn

function app:attack()
  for _, name in ipairs({ "io", "package", "dofile", "loadfile", "module" }) do
    if _G[name] then error(name .. " is there", 0) end
  end
  for name in pairs(debug) do assert(name == "traceback") end
  assert(not string.dump and not os.exit and not os.setlocale)
  for _, name in ipairs({ "getenv", "remove", "rename", "tmpname" }) do
    if pcall(os[name], "x") then error("os." .. name .. " is there", 0) end
  end
  return os.execute("true")
end
