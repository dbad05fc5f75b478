-- JobTracker.Data: everything as text, to be taken elsewhere or brought from there.

local text = require("text")
local dates = require("dates")
local status = require("status")
local storage = require("tracker.storage")

JobTracker.Data = session:prototype("JobTracker.Data", {
    tracker = EMPTY,
    format = "csv",
    input = "",
    problem = "",
})
local Data = JobTracker.Data

function Data:place()
    if storage.isGranted() then
        return "Every change is saved in " .. storage.where() .. "."
    end
    return "Nothing is saved: this site may not use files. The applications last as long as this session; "
        .. "copy them from here, or let the server grant io to the site."
end

function Data:isKept() return storage.isGranted() end
function Data:notKept() return not storage.isGranted() end

-- Formats ---------------------------------------------------------------------------------------------------

local FORMATS = { csv = "Table (CSV)", json = "Everything (JSON)", report = "Report" }

local formatOrder = {}
for key in pairs(FORMATS) do table.insert(formatOrder, key) end
table.sort(formatOrder)

function Data:formats()
    if not self._formats then
        self._formats = {}
        for i, key in ipairs(formatOrder) do
            self._formats[i] = { type = "JobTracker.Format", key = key, name = FORMATS[key] }
        end
    end
    return self._formats
end

-- A field of a table: in quotes if it needs them.
local function field(value)
    local s = tostring(value)
    if s:find('[,"\n]') then
        s = '"' .. s:gsub('"', '""') .. '"'
    end
    return s
end

local COLUMNS = {
    { "Company", function(job) return job.company end },
    { "Position", function(job) return job.position end },
    { "Location", function(job) return job:place() end },
    { "Status", function(job) return status.name(job.status) end },
    { "Added", function(job) return job.added end },
    { "Applied", function(job) return job.applied end },
    { "Salary from", function(job) return job.salaryMin end },
    { "Salary to", function(job) return job.salaryMax end },
    { "Tags", function(job) return job.tags end },
}

function Data:csv()
    local heads = {}
    for i, column in ipairs(COLUMNS) do heads[i] = field(column[1]) end
    local content = table.concat(heads, ",") .. "\n"
    for _, job in ipairs(self.tracker:allJobs()) do
        local line = ""
        for i, column in ipairs(COLUMNS) do
            if i > 1 then line = line .. "," end
            line = line .. field(column[2](job))
        end
        content = content .. line .. "\n"
    end
    return content
end

function Data:output()
    if self.tracker.view ~= "data" then return "" end
    if self.format == "json" then return storage.encode(self.tracker:allJobs()) end
    if self.format == "report" then return self.tracker.stats:report() end
    return self:csv()
end

function Data:fileName()
    local extension = self.format == "report" and "txt" or self.format
    return string.format("jobs-%s.%s", dates.today(), extension)
end

-- Bringing in ------------------------------------------------------------------------------------------------

function Data:import()
    self.problem = ""
    if text.trim(self.input) == "" then
        self.problem = "Paste what was copied as “Everything (JSON)” first."
        return
    end
    local jobs, problem = storage.decode(self.input)
    if not jobs then
        self.problem = "This cannot be read: " .. problem .. "."
        return
    end
    self.tracker:replaceAll(jobs)
    self.input = ""
    self.tracker:changed("Brought in " .. text.count(#jobs, "application") .. ".")
end

function Data:noProblem() return self.problem == "" end
