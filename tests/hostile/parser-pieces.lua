-- A reader that gives a byte at a time.
-- where: action
-- expect: limit

function app:attack()
  while true do load(function() return "-" end) end
end
