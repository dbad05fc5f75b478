-- JobTracker.Stats: numbers about all applications, worked out whenever they are looked at.

local text = require("text")
local dates = require("dates")
local status = require("status")

JobTracker.Stats = session:prototype("JobTracker.Stats", {
    tracker = EMPTY,
})
local Stats = JobTracker.Stats

-- JobTracker.Bar: one line of a bar chart.
JobTracker.Bar = session:prototype("JobTracker.Bar", {
    name = "",
    value = 0,
    whole = 0,
    tone = "",
})
local Bar = JobTracker.Bar

function Bar:width() return text.percent(self.value, self.whole) end
function Bar:class() return "fill " .. self.tone end

local WEEKS = 8

function Stats:bars(names, values, tones)
    local whole = 0
    for _, value in ipairs(values) do whole = math.max(whole, value) end
    local bars = {}
    for i, name in ipairs(names) do
        bars[i] = session:create(Bar, { name = name, value = values[i], whole = whole, tone = tones and tones[i] or "" })
    end
    return bars
end

-- The bars are made anew when a number has changed, so that unchanged ones stay what they are.
function Stats:keep(name, values, make)
    local signature = table.concat(values, " ")
    local kept = "_" .. name
    if self[kept .. "Signature"] ~= signature then
        self[kept .. "Signature"] = signature
        self[kept] = make()
    end
    return self[kept]
end

function Stats:byStatus()
    local names, values, tones = {}, {}, {}
    for i, s in ipairs(status.list) do
        names[i], values[i], tones[i] = s.name, 0, s.tone
    end
    for _, job in ipairs(self.tracker:allJobs()) do
        local place = status.place(job.status)
        values[place] = values[place] + 1
    end
    return self:keep("byStatus", values, function() return self:bars(names, values, tones) end)
end

-- Applications sent in each of the last weeks, the oldest first.
function Stats:weekly()
    local values = {}
    for week = WEEKS - 1, 0, -1 do
        local monday, n = dates.monday(week), 0
        for _, job in ipairs(self.tracker:allJobs()) do
            if dates.inWeek(job.applied, monday) then n = n + 1 end
        end
        table.insert(values, n)
    end
    return values
end

function Stats:weeks()
    local values = self:weekly()
    return self:keep("weeks", values, function()
        local names = {}
        for i = 1, WEEKS do names[i] = dates.show(dates.monday(WEEKS - i)) end
        return self:bars(names, values)
    end)
end

-- How often an application led to something.
function Stats:answered()
    local sent, answered = 0, 0
    for _, job in ipairs(self.tracker:allJobs()) do
        if job.applied ~= "" then
            sent = sent + 1
            if job.status == "interview" or job.status == "offer" or job.status == "rejected" then
                answered = answered + 1
            end
        end
    end
    return text.percent(answered, sent)
end

function Stats:meanSalary()
    local sum, n = 0, 0
    for _, job in ipairs(self.tracker:allJobs()) do
        local salary = job:meanSalary()
        if salary > 0 then sum, n = sum + salary, n + 1 end
    end
    if n == 0 then return "none given" end
    return text.thousands(sum / n)
end

-- The median of the days between adding and applying.
function Stats:medianDays()
    local days = {}
    for _, job in ipairs(self.tracker:allJobs()) do
        local n = dates.between(job.added, job.applied)
        if n then table.insert(days, n) end
    end
    local n = table.getn(days)
    if n == 0 then return "none yet" end
    table.sort(days)
    local middle = math.floor(n / 2)
    if math.mod(n, 2) == 1 then return text.count(days[middle + 1], "day") end
    return tostring((days[middle] + days[middle + 1]) / 2) .. " days"
end

function Stats:topTags()
    local counts, names = {}, {}
    for _, job in ipairs(self.tracker:allJobs()) do
        for _, name in ipairs(text.split(job.tags)) do
            if not counts[name] then
                counts[name] = 0
                table.insert(names, name)
            end
            counts[name] = counts[name] + 1
        end
    end
    table.sort(names, function(a, b)
        if counts[a] ~= counts[b] then return counts[a] > counts[b] end
        return a < b
    end)
    local parts = {}
    for i = 1, math.min(5, #names) do parts[i] = names[i] .. " (" .. counts[names[i]] .. ")" end
    if #parts == 0 then return "no tags" end
    return table.concat(parts, ", ")
end

-- The same as plain text, to be sent by mail.
function Stats:report()
    local lines = { "Applications on " .. dates.show(dates.today()), "" }
    for _, bar in ipairs(self:byStatus()) do
        local line = string.format("%-12s %3d  %s", bar.name, bar.value, text.bar(bar.value, bar.whole, 24))
        table.insert(lines, (string.gsub(line, "%s+$", "")))
    end
    table.insert(lines, "")
    table.insert(lines, "Answered: " .. self:answered())
    return table.concat(lines, "\n")
end
