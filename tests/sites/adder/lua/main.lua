-- adder: two fields and what they add up to. What is typed arrives as text, and old apps add text.

Adder = session:prototype("Adder", {
    value1 = "",
    value2 = "",
    history = EMPTY,
})

function Adder:new(instance)
    instance = session:create(Adder, instance)
    instance.history = instance.history or {}
    return instance
end

-- The numbers of both fields, or nil while one of them is none.
function Adder:numbers()
    local a, b = tonumber(self.value1), tonumber(self.value2)
    if a and b then return a, b end
    return nil
end

-- Shown by the result field: called after every change.
function Adder:compute()
    if self.value1 == "" or self.value2 == "" then return "" end
    if not self:numbers() then return "not a number" end
    return tostring(self.value1 + self.value2)
end

function Adder:noResult()
    return self:numbers() == nil
end

-- A worked example, as it stands on the page.
function Adder:example()
    return "1.5 + 1.5 = " .. tostring(1.5+1.5)
end

function Adder:remember()
    local a, b = self:numbers()
    if a == nil then return end
    table.insert(self.history, 1, { type = "Sum", text = a .. " + " .. b .. " = " .. a + b })
    while table.getn(self.history) > 5 do table.remove(self.history) end
    self.value1, self.value2 = tostring(a + b), ""
end

function Adder:average()
    local total = 0
    for part in string.gfind(self.value1 .. " " .. self.value2, "%S+") do
        total = total + (tonumber(part) or 0)
    end
    return string.format("%.2f", total / 2)
end

function Adder:hasHistory() return #self.history > 0 end
function Adder:noHistory() return not self:hasHistory() end

if not session.reloading then
    adder = Adder:new()
    session:createAppVariable(adder)
end
