-- JobTracker.Form: copies of a job's fields to be edited, and what is wrong with them.

local text = require("text")
local dates = require("dates")
local status = require("status")

JobTracker.Form = session:prototype("JobTracker.Form", {
    tracker = EMPTY,
    job = EMPTY, -- nil for a new one
    title = "",
    tried = false,
    company = "",
    position = "",
    location = "",
    url = "",
    contact = "",
    status = "bookmarked",
    applied = "",
    followUp = "",
    salaryMin = "",
    salaryMax = "",
    remote = false,
    tags = "",
})
local Form = JobTracker.Form

local TEXTS = { "company", "position", "location", "url", "contact", "tags" }
local DAYS = { "applied", "followUp" }
local NUMBERS = { "salaryMin", "salaryMax" }

function Form:forNew(tracker)
    local form = session:create(Form, { tracker = tracker, title = "New application" })
    form:remember()
    return form
end

function Form:forJob(tracker, job)
    local form = session:create(Form, { tracker = tracker, job = job, title = "Edit " .. job:label() })
    for _, name in ipairs(TEXTS) do form[name] = job[name] end
    for _, name in ipairs(DAYS) do form[name] = job[name] end
    for _, name in ipairs(NUMBERS) do
        form[name] = job[name] > 0 and tostring(job[name]) or ""
    end
    form.status = job.status
    form.remote = job.remote
    form:remember()
    return form
end

-- What the fields held when the form was opened.
function Form:remember()
    local original = {}
    for _, list in ipairs({ TEXTS, DAYS, NUMBERS, { "status", "remote" } }) do
        for _, name in ipairs(list) do original[name] = self[name] end
    end
    self._original = original
end

function Form:hasChanges()
    for name, value in pairs(self._original) do
        if self[name] ~= value then return true end
    end
    return false
end

function Form:noChanges() return not self:hasChanges() end
function Form:statuses() return status.list end

-- What is wrong -----------------------------------------------------------------------------------------

local checks = {}

function checks.company(form)
    if text.trim(form.company) == "" then return "Which company is it?" end
end

function checks.position(form)
    if text.trim(form.position) == "" then return "Which position is it?" end
end

function checks.url(form)
    local url = text.trim(form.url)
    if url ~= "" and not url:find("^https?://[%w%.%-]+") then
        return "An address begins with http:// or https://."
    end
end

local function checkDay(form, name)
    local day = text.trim(form[name])
    if day ~= "" and not dates.parse(day) then
        return "There is no such day; days look like " .. dates.today() .. "."
    end
end

function checks.applied(form)
    local problem = checkDay(form, "applied")
    if problem then return problem end
    local days = dates.between(dates.today(), text.trim(form.applied))
    if days and days > 0 then return "This day is yet to come." end
end

function checks.followUp(form)
    return checkDay(form, "followUp")
end

local function checkNumber(form, name)
    local written = string.gsub(text.trim(form[name]), ",", "")
    if written ~= "" and not tonumber(written) then return "Please write a number." end
end

function checks.salaryMin(form)
    return checkNumber(form, "salaryMin")
end

function checks.salaryMax(form)
    local problem = checkNumber(form, "salaryMax")
    if problem then return problem end
    local min, max = form:number("salaryMin"), form:number("salaryMax")
    if min > 0 and max > 0 and max < min then return "This is less than the other end." end
end

-- companyProblem, companyInvalid and so on; silent until the first attempt to save.
for name, check in pairs(checks) do
    Form[name .. "Problem"] = function(self)
        if not self.tried then return "" end
        return check(self) or ""
    end
    Form[name .. "Invalid"] = function(self)
        if self[name .. "Problem"](self) ~= "" then return "true" end
        return nil
    end
end

function Form:problems()
    local n = 0
    for _, check in pairs(checks) do
        if check(self) then n = n + 1 end
    end
    return n
end

function Form:advice()
    if not self.tried then return "" end
    local n = self:problems()
    if n == 0 then return "" end
    if n == 1 then return "One field needs another look." end
    return n .. " fields need another look."
end

function Form:number(name)
    local written = string.gsub(text.trim(self[name]), ",", "")
    return tonumber(written) or 0
end

-- Done ------------------------------------------------------------------------------------------------------

function Form:save()
    self.tried = true
    if self:problems() > 0 then return end
    local fields = { remote = self.remote }
    for _, name in ipairs(TEXTS) do fields[name] = text.trim(self[name]) end
    for _, name in ipairs(DAYS) do
        local time = dates.parse(text.trim(self[name]))
        fields[name] = time and dates.format(time) or ""
    end
    for _, name in ipairs(NUMBERS) do fields[name] = self:number(name) end

    local job, message = self.job, nil
    if job then
        for name, value in pairs(fields) do job[name] = value end
        message = "Saved " .. job:label() .. "."
    else
        job = self.tracker:take(fields)
        message = "Added " .. job:label() .. "."
    end
    job:moveTo(self.status)
    self.tracker:changed(message)
    self.tracker:leaveForm(job)
end

function Form:cancel()
    self.tracker:leaveForm(self.job)
end
