-- Group: what a contact belongs to; an option of the select fields.

Group = session:prototype("Group", {
    key = "",
    name = "",
})

-- "Work (2)"
function Group:label()
    local n = 0
    for _, contact in ipairs(contactApp._all) do
        if self.key == "" or contact.group == self.key then n = n + 1 end
    end
    return self.name .. " (" .. n .. ")"
end

function Group.named(key)
    for _, group in ipairs(contactApp:groups()) do
        if group.key == key then return group end
    end
end
