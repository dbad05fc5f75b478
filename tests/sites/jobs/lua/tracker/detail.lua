-- JobTracker.Detail: one job with all there is to it.

local text = require("text")
local dates = require("dates")
local status = require("status")

JobTracker.Detail = session:prototype("JobTracker.Detail", {
    tracker = EMPTY,
    job = EMPTY,
    status = "", -- what the status field shows
    noteText = "",
    onlyNotes = false,
    confirming = false,
})
local Detail = JobTracker.Detail

function Detail:open(job)
    self.job = job
    self.status = job.status
    self.noteText = ""
    self.confirming = false
end

function Detail:statuses() return status.list end

-- The status field was changed.
function Detail:changeStatus()
    if self.job and self.job:moveTo(self.status) then
        self.tracker:changed("Status: " .. self.job:statusName() .. ".")
    end
end

function Detail:addNote()
    local words = text.trim(self.noteText)
    if not self.job or words == "" then return end
    self.job:note("note", words)
    self.noteText = ""
    self.tracker:changed("Noted.")
end

function Detail:events()
    if not self.job then return {} end
    if not self.onlyNotes then return self.job.history end
    local notes = {}
    for _, event in ipairs(self.job.history) do
        if event:isNote() then notes[#notes + 1] = event end
    end
    return notes
end

function Detail:noEvents() return #self:events() == 0 end

-- Reminders: a number of days from today.
local function remind(days)
    return function(self)
        if not self.job then return end
        self.job.followUp = dates.fromToday(days)
        self.tracker:changed(self.job:followUpText() .. ".")
    end
end

Detail.remindTomorrow = remind(1)
Detail.remindNextWeek = remind(7)

function Detail:forgetReminder()
    self.job.followUp = ""
    self.tracker:changed("No reminder any more.")
end

function Detail:edit() self.tracker:edit(self.job) end
function Detail:close() self.tracker:goBack() end

function Detail:ask() self.confirming = true end
function Detail:keep() self.confirming = false end
function Detail:isConfirming() return self.confirming end
function Detail:notConfirming() return not self.confirming end

function Detail:delete()
    local job = self.job
    self.job = nil
    self.confirming = false
    self.tracker:remove(job)
end

-- Days at each station so far, longest first.
function Detail:durations()
    if not self.job then return {} end
    local days, order = {}, {}
    local until_ = dates.today()
    for _, event in ipairs(self.job.history) do
        if event.kind == "status" then
            local spent = dates.between(event.day, until_) or 0
            if days[event.to] == nil then table.insert(order, event.to) end
            days[event.to] = (days[event.to] or 0) + spent
            until_ = event.day
        end
    end
    table.sort(order, function(a, b)
        if days[a] ~= days[b] then return days[a] > days[b] end
        return status.place(a) < status.place(b)
    end)
    local list = {}
    for i, key in ipairs(order) do
        list[i] = { type = "JobTracker.Duration", name = status.name(key), days = text.count(days[key], "day") }
    end
    return list
end

function Detail:noDurations() return next(self:durations()) == nil end
