-- JobTracker.Board: a column for each station; cards move between them.

local status = require("status")

JobTracker.Board = session:prototype("JobTracker.Board", {
    tracker = EMPTY,
    columns = EMPTY,
})
local Board = JobTracker.Board

-- JobTracker.Column: the jobs of one station.
JobTracker.Column = session:prototype("JobTracker.Column", {
    key = "",
    name = "",
    board = EMPTY,
})
local Column = JobTracker.Column

-- JobTracker.Card: a job on the board.
JobTracker.Card = session:prototype("JobTracker.Card", {
    job = EMPTY,
})
local Card = JobTracker.Card

function Board:new(instance)
    instance = session:create(Board, instance)
    instance.columns = {}
    for i, s in ipairs(status.list) do
        instance.columns[i] = session:create(Column, { key = s.key, name = s.name, board = instance })
    end
    return instance
end

-- The newest on top.
function Column:jobs()
    local jobs = {}
    for _, job in ipairs(self.board.tracker:allJobs()) do
        if job.status == self.key then table.insert(jobs, job) end
    end
    table.sort(jobs, function(a, b)
        if a:day() ~= b:day() then return a:day() > b:day() end
        return a.id > b.id
    end)
    return jobs
end

function Column:count() return #self:jobs() end
function Column:isEmpty() return self:count() == 0 end
function Column:notEmpty() return self:count() > 0 end
function Column:dot() return "dot " .. status.tone(self.key) end

function Card:new(viewItem)
    return session:create(Card, { job = viewItem.baseItem })
end

function Card:open() jobTracker:select(self.job) end

function Card:move(key)
    if key and self.job:moveTo(key) then
        jobTracker:changed(self.job:label() .. " is now in " .. self.job:statusName() .. ".")
    end
end

function Card:forward() self:move(status.after(self.job.status)) end
function Card:back() self:move(status.before(self.job.status)) end
function Card:noForward() return status.after(self.job.status) == nil end
function Card:noBack() return status.before(self.job.status) == nil end

function Card:forwardLabel()
    local key = status.after(self.job.status)
    return key and "Move to " .. status.name(key) or ""
end

function Card:backLabel()
    local key = status.before(self.job.status)
    return key and "Move to " .. status.name(key) or ""
end
