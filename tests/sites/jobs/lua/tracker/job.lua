-- JobTracker.Job: one application, with its notes and its history.

local text = require("text")
local dates = require("dates")
local status = require("status")

JobTracker.Job = session:prototype("JobTracker.Job", {
    id = 0,
    company = "",
    position = "",
    location = "",
    url = "",
    contact = "",
    status = "bookmarked",
    added = "",
    applied = "",
    followUp = "",
    salaryMin = 0,
    salaryMax = 0,
    remote = false,
    tags = "",
    history = EMPTY,
})
local Job = JobTracker.Job

-- JobTracker.Event: something that happened to an application, or a note about it.
JobTracker.Event = session:prototype("JobTracker.Event", {
    day = "",
    kind = "note", -- "added", "status" or "note"
    text = "",
    from = "",
    to = "",
})
local Event = JobTracker.Event

-- What goes into files, in this order.
Job.FIELDS = {
    "id", "company", "position", "location", "url", "contact", "status", "added", "applied",
    "followUp", "salaryMin", "salaryMax", "remote", "tags",
}
Event.FIELDS = { "day", "kind", "text", "from", "to" }

function Job:new(instance)
    instance = session:create(Job, instance)
    instance.salaryMin = tonumber(instance.salaryMin) or 0
    instance.salaryMax = tonumber(instance.salaryMax) or 0
    if not status.isKnown(instance.status) then instance.status = "bookmarked" end
    if instance.added == "" then instance.added = dates.today() end
    instance.history = instance.history or {}
    for i, event in ipairs(instance.history) do
        if getmetatable(event) ~= Event then
            instance.history[i] = session:create(Event, event)
        end
    end
    if #instance.history == 0 then
        instance:note("added", "Added to the list", instance.added)
    end
    return instance
end

-- Plain tables for a file.
function Job:plain()
    local out = { history = {} }
    for _, field in ipairs(Job.FIELDS) do out[field] = self[field] end
    for i, event in ipairs(self.history) do
        local plain = {}
        for _, field in ipairs(Event.FIELDS) do plain[field] = event[field] end
        out.history[i] = plain
    end
    return out
end

-- Changes --------------------------------------------------------------------------------------------

-- Writes into the history; the newest stands first.
function Job:note(kind, words, day)
    local event = session:create(Event, { kind = kind, text = words, day = day or dates.today() })
    table.insert(self.history, 1, event)
    return event
end

-- Moves to another station and remembers that. Returns whether anything changed.
function Job:moveTo(key)
    if not status.isKnown(key) or key == self.status then return false end
    local event = self:note("status", "")
    event.from, event.to = self.status, key
    self.status = key
    if key ~= "bookmarked" and self.applied == "" then self.applied = dates.today() end
    if not status.isActive(key) then self.followUp = "" end
    return true
end

function Job:forget(event)
    for i, other in ipairs(self.history) do
        if other == event then return table.remove(self.history, i) end
    end
end

-- What templates show ---------------------------------------------------------------------------------

function Job:label()
    return text.join(", ", self.position, self.company)
end

function Job:statusName() return status.name(self.status) end
function Job:statusClass() return "badge " .. status.tone(self.status) end

function Job:place()
    if not self.remote then return self.location end
    return text.join(" / ", self.location, "remote")
end

function Job:salary()
    local min, max = self.salaryMin, self.salaryMax
    if min == 0 and max == 0 then return "" end
    if max == 0 then return "from " .. text.thousands(min) end
    if min == 0 then return "up to " .. text.thousands(max) end
    if min == max then return text.thousands(min) end
    return text.thousands(min) .. " to " .. text.thousands(max)
end

-- What sorting by salary compares: the middle of the range.
function Job:meanSalary()
    local min, max = self.salaryMin, self.salaryMax
    if min == 0 or max == 0 then return math.max(min, max) end
    return (min + max) / 2
end

function Job:day()
    if self.applied ~= "" then return self.applied end
    return self.added
end

function Job:dayText() return dates.show(self:day()) end
function Job:ageText() return dates.relative(self:day()) end
function Job:addedText() return dates.show(self.added) end
function Job:appliedText() return dates.show(self.applied) end

function Job:followUpText()
    if self.followUp == "" then return "" end
    return "Follow up " .. dates.relative(self.followUp)
end

function Job:isDue()
    local days = dates.between(dates.today(), self.followUp)
    return days ~= nil and days <= 0
end

function Job:noFollowUp() return self.followUp == "" end
function Job:noSalary() return self:salary() == "" end
function Job:noUrl() return self.url == "" end
function Job:noContact() return self.contact == "" end
function Job:noPlace() return self:place() == "" end
function Job:noApplied() return self.applied == "" end

-- Tags as things to look at.
function Job:tagList()
    local list = {}
    for i, name in ipairs(text.split(self.tags)) do
        list[i] = { type = "JobTracker.Tag", name = name }
    end
    return list
end

-- Whatever the search looks through, in lower case.
function Job:haystack()
    return string.lower(table.concat({ self.company, self.position, self.location, self.tags, self.contact }, "\n"))
end

function Job:select() jobTracker:select(self) end
function Job:isSelected() return jobTracker.selected == self end

-- Events -----------------------------------------------------------------------------------------------

function Event:description()
    if self.kind == "status" then
        return status.name(self.from) .. " → " .. status.name(self.to)
    end
    return self.text
end

function Event:when() return dates.show(self.day) end
function Event:ago() return dates.relative(self.day) end
function Event:isNote() return self.kind == "note" end
function Event:notNote() return self.kind ~= "note" end

function Event:remove()
    local job = jobTracker.selected
    if job and job:forget(self) then jobTracker:changed("Removed the note.") end
end
