-- Every arithmetic metamethod calls the next, round and round.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local names = { "add", "sub", "mul", "div", "mod", "pow", "idiv", "unm", "band", "bor", "bxor", "bnot", "shl", "shr" }
  local calls = 0
  local mt = {}
  for _, name in ipairs(names) do mt["__" .. name] = function() calls = calls + 1 return 1 end end
  local t = setmetatable({}, mt)
  while true do
    local x = t + 1, t - 1, t * 1, t / 1, t % 1, t ^ 1, t // 1, -t, t & 1, t | 1, t ~ 1, ~t, t << 1, t >> 1
  end
end
