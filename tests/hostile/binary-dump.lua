-- string.dump, debug, io, package and the rest that is not there.
-- where: action
-- expect: lua-error
-- text: session:spawn

function app:attack()
  for _, name in ipairs({ "debug", "io", "package", "dofile", "loadfile", "module" }) do
    if _G[name] then error(name .. " is there", 0) end
  end
  return assert(not string.dump and not os.exit and not os.getenv and not os.remove and not os.setlocale) and os.execute("true")
end
