-- words: numbers and times as people read them.

local words = {}

--- 12345 as "12,345".
function words.count(n)
  local text = string.format("%d", n)
  local head = #text % 3
  local rest = text:sub(head + 1):gsub("(%d%d%d)", ",%1")
  return (text:sub(1, head) .. rest):gsub("^,", "")
end

--- "1 error", "2,000 errors"
function words.amount(n, noun)
  return words.count(n) .. " " .. noun .. (n == 1 and "" or "s")
end

--- Milliseconds as "0.250 s", "12.3 s", "4 min 05 s", "2 h 10 min".
function words.span(ms)
  local seconds = ms / 1000
  if seconds < 10 then return string.format("%.3f s", seconds) end
  if seconds < 60 then return string.format("%.1f s", seconds) end
  local minutes = seconds // 60
  if minutes < 60 then return string.format("%d min %02d s", minutes, seconds % 60 // 1) end
  return string.format("%d h %02d min", minutes // 60, minutes % 60)
end

return words
