-- Contact: one person; data and what follows from it.

Contact = session:prototype("Contact", {
    firstName = "",
    lastName = "",
    email = "",
    phone = "",
    group = "",
    notes = "",
    favourite = false,
})

function Contact:fullName()
    local first, last = self.firstName or "", self.lastName or ""
    if first ~= "" and last ~= "" then return first .. " " .. last end
    return first .. last
end

function Contact:initials()
    return (self.firstName:sub(1, 1) .. self.lastName:sub(1, 1)):upper()
end

function Contact:sortKey(key)
    if key == "first" then return (self.firstName .. " " .. self.lastName):lower() end
    return (self.lastName .. " " .. self.firstName):lower()
end

function Contact:matches(query)
    if query == "" then return true end
    return self:fullName():lower():find(query, 1, true) ~= nil
        or self.email:lower():find(query, 1, true) ~= nil
end
