-- JobTracker.Table: the jobs that the filter leaves, in the order of the sorting, one below the other.

JobTracker.Table = session:prototype("JobTracker.Table", {
    tracker = EMPTY,
})
local Table = JobTracker.Table

function Table:rows()
    return self.tracker.sorting:sort(self.tracker.filter:jobs())
end

function Table:isEmpty() return #self:rows() == 0 end
function Table:notEmpty() return not self:isEmpty() end

function Table:emptyText()
    if #self.tracker:allJobs() == 0 then
        return "No applications yet. Add the first one."
    end
    if self.tracker.filter:isNarrow() then
        return "No application matches. Clear the filters to see more."
    end
    return "Nothing here."
end

-- JobTracker.Row: a job in the table. Whether its delete button was pressed once is the row's own business.
JobTracker.Row = session:prototype("JobTracker.Row", {
    job = EMPTY,
    confirming = false,
})
local Row = JobTracker.Row

function Row:new(viewItem)
    return session:create(Row, { job = viewItem.baseItem, viewItem = viewItem })
end

function Row:open()
    jobTracker:select(self.job)
end

function Row:ask() self.confirming = true end
function Row:keep() self.confirming = false end
function Row:isConfirming() return self.confirming end
function Row:notConfirming() return not self.confirming end

function Row:delete()
    jobTracker:remove(self.job)
end
