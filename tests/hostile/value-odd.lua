-- Values that JSON does not have.
-- where: getter
-- expect: bad-value

function app:attack()
  return { 0 / 0, 1 / 0, -1 / 0, "\xff", print, coroutine.create(print), math.mininteger }
end
