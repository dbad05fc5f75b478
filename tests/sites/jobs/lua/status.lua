-- status: the stations of an application, in the order in which one hopes to pass them.

local status = {}

status.list = {
    { key = "bookmarked", name = "Bookmarked", tone = "", active = true },
    { key = "applied", name = "Applied", tone = "accent", active = true },
    { key = "interview", name = "Interview", tone = "warn", active = true },
    { key = "offer", name = "Offer", tone = "ok", active = true },
    { key = "rejected", name = "Rejected", tone = "bad", active = false },
    { key = "withdrawn", name = "Withdrawn", tone = "", active = false },
}

status.byKey = {}
for i, s in ipairs(status.list) do
    s.place = i
    s.type = "JobTracker.Status"
    status.byKey[s.key] = s
end

function status.isKnown(key) return status.byKey[key] ~= nil end

local function of(key)
    return status.byKey[key] or status.list[1]
end

function status.name(key) return of(key).name end
function status.tone(key) return of(key).tone end
function status.place(key) return of(key).place end
function status.isActive(key) return of(key).active end

-- The next station that an application under way can reach; nil at the end of the line.
function status.after(key)
    local here = of(key)
    local there = status.list[here.place + 1]
    if here.active and there and there.active then return there.key end
    return nil
end

-- The one before.
function status.before(key)
    local here = of(key)
    if not here.active then return "applied" end
    local there = status.list[here.place - 1]
    return there and there.key
end

return status
