-- Closures over sixty of two hundred locals.
-- where: action
-- expect: limit
-- text: gas limit

function app:attack()
  local source = {}
  for i = 1, 195 do source[i] = "local a" .. i .. " = 1 local function f() return a" .. i .. " end" end
  for i = 1, 195 do source[i] = "local a" .. i .. " = function() return a" .. math.max(1, i - 1) .. " end" end
  source[#source + 1] = "while true do local f = function() return a1"
  for i = 2, 60 do source[#source + 1] = " , a" .. i end
  source[#source + 1] = " end end"
  load(table.concat(source, "\n"))()
end
