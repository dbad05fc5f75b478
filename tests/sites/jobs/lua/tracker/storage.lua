-- storage: the jobs as a JSON file, where the site may use files; else nothing is kept and storage says so.

local json = require("json")

local storage = {}

-- Old apps know their files by name; a site may set another one before this is loaded.
local FILE = JOBS_FILE or "data/jobs.json"

function storage.isGranted()
    if io and io.open then return true end
    return false
end

function storage.where()
    if storage.isGranted() then return FILE end
    return nil
end

function storage.encode(jobs)
    local list = {}
    for i, job in ipairs(jobs) do list[i] = job:plain() end
    return json.encode({ version = 1, jobs = list }) .. "\n"
end

-- The plain jobs of a text, or nil and what is wrong with it.
function storage.decode(content)
    local data, problem = json.decode(content)
    if not data then return nil, problem or "there is nothing in it" end
    if type(data) ~= "table" or type(data.jobs) ~= "table" then
        return nil, "it is JSON, but has no list of jobs"
    end
    for i, job in ipairs(data.jobs) do
        if type(job) ~= "table" or type(job.company) ~= "string" then
            return nil, "job " .. i .. " has no company"
        end
    end
    return data.jobs
end

-- The plain jobs, or nil; then perhaps what went wrong.
function storage.load()
    if not storage.isGranted() then return nil end
    local handle = io.open(FILE, "r")
    if not handle then return nil end
    local content = handle:read("*a")
    handle:close()
    local jobs, problem = storage.decode(content)
    if jobs then return jobs end
    return nil, FILE .. " cannot be read: " .. problem
end

-- Whether it is saved; false and no reason where there is no place to save it.
function storage.save(jobs)
    if not storage.isGranted() then return false end
    local handle, problem = io.open(FILE, "w")
    if not handle then return false, tostring(problem) end
    handle:write(storage.encode(jobs))
    handle:close()
    return true
end

return storage
