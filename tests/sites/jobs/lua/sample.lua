-- sample: what the app shows before anything was saved. Days are counted from today.

local dates = require("dates")

local sample = {}

-- company, position, location, remote, status, added, applied, follow-up, salaries, tags, contact; days ago.
local ROWS = {
    { "Harbour & Sons", "Data engineer", "Bergen", false, "interview", 24, 21, -1, 62000, 74000, "data, python", "Ida Holm" },
    { "Quillworks", "Technical writer", "Dublin", true, "applied", 12, 10, 2, 48000, 0, "writing, docs", "" },
    { "Larkspur Labs", "Backend developer", "Utrecht", true, "offer", 48, 44, nil, 70000, 82000, "lua, backend", "Tom Verbeek" },
    { "Tideline", "Site reliability engineer", "Porto", false, "applied", 9, 8, -3, 58000, 66000, "ops, linux", "" },
    { "Morrow Media", "Front-end developer", "Leeds", false, "rejected", 60, 55, nil, 45000, 52000, "web", "J. Akhtar" },
    { "Fernbank Clinic", "Database administrator", "Graz", false, "bookmarked", 3, nil, -4, 0, 0, "data, sql", "" },
    { "Northlight", "Embedded developer", "Oulu", false, "interview", 30, 27, 0, 64000, 0, "c, lua, embedded", "Sanna Rinne" },
    { "Copperfield Rail", "Systems analyst", "York", true, "withdrawn", 70, 66, nil, 50000, 58000, "analysis", "" },
    { "Blue Heron Press", "Developer, tools", "Ghent", true, "applied", 5, 2, -7, 55000, 61000, "tools, docs", "" },
    { "Saltmarsh Energy", "Control engineer", "Esbjerg", false, "bookmarked", 1, nil, nil, 68000, 77000, "embedded, energy", "Per Friis" },
    { "Oak & Iron", "Platform engineer", "Zurich", true, "applied", 17, 15, 1, 98000, 112000, "ops, backend", "" },
    { "Lantern Games", "Scripting engineer", "Malmö", true, "interview", 20, 18, -2, 52000, 60000, "lua, games", "Una Ek" },
}

local function day(ago)
    if not ago then return "" end
    return dates.fromToday(-ago)
end

-- How each station was reached, newest first.
local function history(status, added, applied)
    local events = { { day = day(added), kind = "added", text = "Added to the list" } }
    local function step(ago, from, to)
        table.insert(events, 1, { day = day(ago), kind = "status", from = from, to = to })
    end
    if applied then step(applied, "bookmarked", "applied") end
    local later = applied and math.floor(applied / 2)
    if status == "interview" or status == "offer" then
        step(later, "applied", "interview")
        table.insert(events, 1, { day = day(later), kind = "note", text = "Talked on the phone; they were friendly." })
    end
    if status == "offer" then step(math.floor(later / 2), "interview", "offer") end
    if status == "rejected" or status == "withdrawn" then step(later, "applied", status) end
    return events
end

function sample.jobs()
    local jobs = {}
    for i, row in ipairs(ROWS) do
        local company, position, location, remote, status, added, applied, followUp, min, max, tags, contact =
            unpack(row, 1, 12)
        jobs[i] = {
            id = i,
            company = company,
            position = position,
            location = location,
            remote = remote,
            status = status,
            added = day(added),
            applied = day(applied),
            followUp = day(followUp),
            salaryMin = min,
            salaryMax = max,
            tags = tags,
            contact = contact,
            url = "https://jobs.example/" .. string.gsub(company:lower(), "%W+", "-") .. "/" .. i,
            history = history(status, added, applied),
        }
    end
    return jobs
end

return sample
