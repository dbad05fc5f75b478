-- Yields out of everywhere they must not.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  coroutine.wrap(function() while true do
    pcall(table.sort, { 3, 2, 1 }, coroutine.yield)
    pcall(string.gsub, "x", "x", coroutine.yield)
  end end)()
  coroutine.yield()
end
