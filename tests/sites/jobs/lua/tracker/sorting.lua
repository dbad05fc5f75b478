-- JobTracker.Sorting: the order of the table, by one column and then by those that were chosen before it.

local status = require("status")

JobTracker.Sorting = session:prototype("JobTracker.Sorting", {
    tracker = EMPTY,
    headings = EMPTY,
})
local Sorting = JobTracker.Sorting

-- JobTracker.Heading: the head of a column.
JobTracker.Heading = session:prototype("JobTracker.Heading", {
    key = "",
    name = "",
    sorting = EMPTY,
})
local Heading = JobTracker.Heading

-- What each column compares.
local VALUES = {
    company = function(job) return job.company:lower() end,
    position = function(job) return job.position:lower() end,
    status = function(job) return status.place(job.status) end,
    salary = function(job) return job:meanSalary() end,
    date = function(job) return job:day() end,
}

local COLUMNS = {
    { "company", "Company" },
    { "position", "Position" },
    { "status", "Status" },
    { "salary", "Salary" },
    { "date", "Date" },
}

-- Numbers and dates are looked at from the top.
local DOWN_FIRST = { salary = true, date = true }

function Sorting:new(instance)
    instance = session:create(Sorting, instance)
    instance.headings = {}
    instance._order = { { key = "date", down = true }, { key = "company", down = false } }
    for i, column in ipairs(COLUMNS) do
        local key, name = unpack(column)
        instance.headings[i] = session:create(Heading, { key = key, name = name, sorting = instance })
    end
    return instance
end

-- Sorts by a column, or the other way round if it is sorted by it already. What it was sorted by before
-- decides between equals.
function Sorting:by(key)
    local first = self._order[1]
    if first.key == key then
        first.down = not first.down
        return
    end
    for i = table.getn(self._order), 1, -1 do
        if self._order[i].key == key then table.remove(self._order, i) end
    end
    table.insert(self._order, 1, { key = key, down = DOWN_FIRST[key] or false })
    while #self._order > 3 do table.remove(self._order) end
end

-- A sorted copy.
function Sorting:sort(jobs)
    local rows = {}
    for i, job in ipairs(jobs) do
        local row = { job = job }
        for n, by in ipairs(self._order) do row[n] = VALUES[by.key](job) end
        rows[i] = row
    end
    table.sort(rows, function(a, b)
        for n, by in ipairs(self._order) do
            if a[n] ~= b[n] then
                if by.down then return a[n] > b[n] end
                return a[n] < b[n]
            end
        end
        return a.job.id < b.job.id
    end)
    local result = {}
    for i, row in ipairs(rows) do result[i] = row.job end
    return result
end

-- "by date, then by company"
function Sorting:summary()
    local parts = {}
    for i, by in ipairs(self._order) do parts[i] = "by " .. by.key .. (by.down and " ↓" or " ↑") end
    return table.concat(parts, ", then ")
end

function Heading:toggle() self.sorting:by(self.key) end

function Heading:order()
    local first = self.sorting._order[1]
    if first.key ~= self.key then return "none" end
    return first.down and "descending" or "ascending"
end

function Heading:icon()
    local order = self:order()
    if order == "none" then return "" end
    return order == "ascending" and "↑" or "↓"
end
