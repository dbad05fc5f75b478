-- dates: days as "2024-05-31", as files and date fields have them, and what people say instead.

local dates = {}

local DAY = 24 * 60 * 60

function dates.now()
    return os.time()
end

-- Noon of the day, so that no summer time moves it into another; nil for what is no day.
function dates.parse(day)
    if type(day) ~= "string" then return nil end
    local y, m, d = string.match(day, "^(%d%d%d%d)-(%d%d?)-(%d%d?)$")
    if not y then return nil end
    if tonumber(m) > 12 or tonumber(m) < 1 or tonumber(d) < 1 then return nil end
    local time = os.time({ year = y, month = m, day = d, hour = 12 })
    -- The 31st of April would be the 1st of May.
    if os.date("*t", time).day ~= tonumber(d) then return nil end
    return time
end

function dates.format(time)
    return os.date("%Y-%m-%d", time)
end

function dates.today()
    return dates.format(dates.now())
end

-- The day `n` days from now; before, if n is negative.
function dates.fromToday(n)
    local t = os.date("*t", dates.now())
    return dates.format(os.time({ year = t.year, month = t.month, day = t.day + n, hour = 12 }))
end

-- Days from one day to another; nil if one of them is none.
function dates.between(from, to)
    local a, b = dates.parse(from), dates.parse(to)
    if not a or not b then return nil end
    return math.floor(os.difftime(b, a) / DAY + 0.5)
end

-- "31 May 2024"; the year is left out if it is the present one.
function dates.show(day)
    local time = dates.parse(day)
    if not time then return "" end
    local format = "%d %b %Y"
    if os.date("%Y", time) == os.date("%Y", dates.now()) then format = "%d %b" end
    return (string.gsub(os.date(format, time), "^0", ""))
end

-- "today", "yesterday", "3 days ago", "in 2 weeks"
function dates.relative(day)
    local days = dates.between(dates.today(), day)
    if not days then return "" end
    if days == 0 then return "today" end
    if days == 1 then return "tomorrow" end
    if days == -1 then return "yesterday" end
    local n, unit = math.abs(days), "day"
    if n >= 60 then
        n, unit = math.floor(n / 30), "month"
    elseif n >= 14 then
        n, unit = math.floor(n / 7), "week"
    end
    if n ~= 1 then unit = unit .. "s" end
    if days > 0 then return "in " .. n .. " " .. unit end
    return n .. " " .. unit .. " ago"
end

-- The Monday of the week that is `n` weeks before this one.
function dates.monday(n)
    local t = os.date("*t", dates.now())
    local sinceMonday = math.mod(t.wday + 5, 7)
    return dates.fromToday(-sinceMonday - 7 * n)
end

-- Whether the day is in the seven days from `monday`.
function dates.inWeek(day, monday)
    local days = dates.between(monday, day)
    return days ~= nil and days >= 0 and days < 7
end

return dates
