-- jobs: keeps track of job applications, from the first bookmark to the offer.
--
-- Written in the manner of apps for Lua 5.1: global prototypes with dotted names, methods for whatever
-- a template shows, pairs of isX and notX, files through io where there is io.
--
-- Reading order: text, dates, status, tracker/job, tracker/filter, tracker/sorting, tracker/table,
-- tracker/board, tracker/detail, tracker/form, tracker/stats, json, tracker/storage, tracker/data, sample.

-- The prototype of the app is also the name space of all others, so it comes before them.
JobTracker = session:prototype("JobTracker", {
    title = "Job tracker",
    view = "table",
    before = "table", -- where Back leads from the detail view
    selected = EMPTY,
    filter = EMPTY,
    sorting = EMPTY,
    jobTable = EMPTY,
    board = EMPTY,
    detail = EMPTY,
    form = EMPTY,
    stats = EMPTY,
    data = EMPTY,
    notice = EMPTY,
    _jobs = EMPTY,
    _nextId = 1,
})

local text = require("text")
local dates = require("dates")
local status = require("status")

require("tracker.job")
require("tracker.filter")
require("tracker.sorting")
require("tracker.table")
require("tracker.board")
require("tracker.detail")
require("tracker.form")
require("tracker.stats")
require("tracker.data")

local storage = require("tracker.storage")
local sample = require("sample")

local NOTICE_MS = 8000

function JobTracker:new(instance)
    instance = session:create(JobTracker, instance)
    instance._jobs = {}
    instance.filter = JobTracker.Filter:new({ tracker = instance })
    instance.sorting = JobTracker.Sorting:new({ tracker = instance })
    instance.jobTable = JobTracker.Table:new({ tracker = instance })
    instance.board = JobTracker.Board:new({ tracker = instance })
    instance.detail = JobTracker.Detail:new({ tracker = instance })
    instance.stats = JobTracker.Stats:new({ tracker = instance })
    instance.data = JobTracker.Data:new({ tracker = instance })
    return instance
end

-- Hot loading: instances of an older version get what has been added since.
function JobTracker:mutate()
    self._jobs = self._jobs or {}
    self.data = self.data or JobTracker.Data:new({ tracker = self })
end

-- The jobs ------------------------------------------------------------------------------------------

function JobTracker:allJobs()
    return self._jobs
end

function JobTracker:jobById(id)
    for _, job in ipairs(self._jobs) do
        if job.id == id then return job end
    end
    return nil
end

-- Takes a job in; it gets a number if it has none.
function JobTracker:take(fields)
    local job = JobTracker.Job:new(fields)
    if type(job.id) ~= "number" or job.id < 1 then
        job.id = self._nextId
    end
    self._nextId = math.max(self._nextId, job.id) + 1
    table.insert(self._jobs, job)
    return job
end

function JobTracker:remove(job)
    for i, other in ipairs(self._jobs) do
        if other == job then
            table.remove(self._jobs, i)
            break
        end
    end
    if self.selected == job then
        self.selected = nil
        self:goBack()
    end
    self:changed("Deleted " .. job:label() .. ".")
end

-- Every change ends here: it is saved where there is a place to save it, and told.
function JobTracker:changed(message)
    local saved, problem = storage.save(self._jobs)
    if not saved and problem then
        message = (message or "") .. " It could not be saved: " .. problem
    end
    if message then self:tell(message) end
end

-- Tells the user something for a while.
function JobTracker:tell(message)
    self.notice = message
    if self._noticeTimer then session:clearTimeout(self._noticeTimer) end
    self._noticeTimer = session:setTimeout(function()
        self.notice = nil
        self._noticeTimer = nil
    end, NOTICE_MS)
end

function JobTracker:hasNotice() return text.isPresent(self.notice) end
function JobTracker:noNotice() return not self:hasNotice() end

function JobTracker:dismissNotice()
    self.notice = nil
end

-- Replaces all jobs by those of `list`, plain tables as they come from a file.
function JobTracker:replaceAll(list)
    self._jobs = {}
    self._nextId = 1
    self.selected = nil
    for _, fields in ipairs(list) do self:take(fields) end
end

-- What is on screen ---------------------------------------------------------------------------------

local VIEWS = { "table", "board", "stats", "data", "detail", "form" }

-- isTableView, notTableView, showTable and so on.
for _, name in ipairs(VIEWS) do
    local cap = text.capital(name)
    JobTracker["is" .. cap .. "View"] = function(self) return self.view == name end
    JobTracker["not" .. cap .. "View"] = function(self) return self.view ~= name end
    JobTracker["show" .. cap] = function(self) self:show(name) end
    -- For aria-current: nil takes the attribute away.
    JobTracker["current" .. cap] = function(self)
        if self.view == name then return "page" end
        return nil
    end
end

function JobTracker:show(view)
    if view ~= "detail" and view ~= "form" then
        self.before = view
        self.selected = nil
        self.form = nil
    end
    self.view = view
end

function JobTracker:goBack()
    self:show(self.before)
end

function JobTracker:select(job)
    self.selected = job
    self.detail:open(job)
    self:show("detail")
end

-- Opens the first job that the filter leaves: Enter in the search box.
function JobTracker:selectFirst()
    local rows = self.jobTable:rows()
    if #rows > 0 then self:select(rows[1]) end
end

function JobTracker:add()
    self.form = JobTracker.Form:forNew(self)
    self:show("form")
end

function JobTracker:edit(job)
    self.form = JobTracker.Form:forJob(self, job)
    self:show("form")
end

-- The form is done or given up.
function JobTracker:leaveForm(job)
    self.form = nil
    if job then
        self:select(job)
    else
        self:goBack()
    end
end

-- "12 applications, 7 under way, 2 follow-ups due"
function JobTracker:summary()
    local underWay, due = 0, 0
    for _, job in ipairs(self._jobs) do
        if status.isActive(job.status) then
            underWay = underWay + 1
            if job:isDue() then due = due + 1 end
        end
    end
    local parts = { text.count(#self._jobs, "application"), underWay .. " under way" }
    if due > 0 then table.insert(parts, text.count(due, "follow-up") .. " due") end
    return table.concat(parts, ", ")
end

function JobTracker:today()
    return os.date("%A, %d %B %Y", dates.now())
end

-- Start ---------------------------------------------------------------------------------------------

if not session.reloading then
    jobTracker = JobTracker:new()
    local list, problem = storage.load()
    jobTracker:replaceAll(list or sample.jobs())
    if problem then jobTracker:tell(problem) end
    session:createAppVariable(jobTracker)
end
