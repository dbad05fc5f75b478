-- JobTracker.Filter: which jobs are shown: by words, by status, by what is due.

local text = require("text")
local status = require("status")

JobTracker.Filter = session:prototype("JobTracker.Filter", {
    tracker = EMPTY,
    query = "",
    group = "active",
    status = "",
    onlyDue = false,
    onlyRemote = false,
    minSalary = "",
})
local Filter = JobTracker.Filter

local groups = {
    all = function() return true end,
    active = function(job) return status.isActive(job.status) end,
    offers = function(job) return job.status == "offer" end,
    closed = function(job) return not status.isActive(job.status) end,
}

-- setAll, isAll, countAll and so on.
for name, test in pairs(groups) do
    local cap = text.capital(name)
    Filter["set" .. cap] = function(self)
        self.group = name
        self.status = ""
    end
    Filter["is" .. cap] = function(self) return self.group == name end
    Filter["count" .. cap] = function(self)
        local n = 0
        for _, job in ipairs(self.tracker:allJobs()) do
            if test(job) then n = n + 1 end
        end
        return n
    end
end

-- The options of the status field: all of them, the empty one first.
function Filter:statuses()
    local list = { { type = "JobTracker.Status", key = "", name = "Any status" } }
    for _, s in ipairs(status.list) do table.insert(list, s) end
    return list
end

function Filter:matches(job, words)
    if self.status ~= "" then
        if job.status ~= self.status then return false end
    elseif not groups[self.group](job) then
        return false
    end
    if self.onlyDue and not job:isDue() then return false end
    if self.onlyRemote and not job.remote then return false end
    local least = tonumber(self.minSalary)
    if least and math.max(job.salaryMin, job.salaryMax) < least then return false end
    return text.hasAll(job:haystack(), words)
end

function Filter:jobs()
    local words = text.words(self.query)
    local result = {}
    for _, job in ipairs(self.tracker:allJobs()) do
        if self:matches(job, words) then table.insert(result, job) end
    end
    return result
end

function Filter:isNarrow()
    return self.query ~= "" or self.status ~= "" or self.onlyDue or self.onlyRemote or self.minSalary ~= ""
end

function Filter:notNarrow() return not self:isNarrow() end

function Filter:clear()
    self.query = ""
    self.status = ""
    self.minSalary = ""
    self.onlyDue = false
    self.onlyRemote = false
end

function Filter:summary()
    local shown, all = #self:jobs(), #self.tracker:allJobs()
    if shown == all then return text.count(all, "application") end
    return shown .. " of " .. text.count(all, "application")
end
