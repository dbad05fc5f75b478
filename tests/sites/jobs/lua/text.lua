-- text: what the rest of the app does with strings.

local text = {}

function text.isPresent(s)
    return s ~= nil and s ~= ""
end

function text.trim(s)
    return (string.gsub(s or "", "^%s*(.-)%s*$", "%1"))
end

-- "table" becomes "Table".
function text.capital(s)
    return string.upper(string.sub(s, 1, 1)) .. string.sub(s, 2)
end

-- "1 job", "2 jobs"
function text.count(n, noun)
    if n == 1 then return n .. " " .. noun end
    return n .. " " .. noun .. "s"
end

-- The words of a text, in lower case.
function text.words(s)
    local words = {}
    for word in string.gfind(string.lower(s or ""), "%S+") do
        words[table.getn(words) + 1] = word
    end
    return words
end

-- Whether each of the words occurs in the text.
function text.hasAll(s, words)
    for i = 1, table.getn(words) do
        if not string.find(s, words[i], 1, true) then return false end
    end
    return true
end

-- Splits at commas, semicolons or ends of lines; empty parts are left out.
function text.split(s)
    local parts = {}
    for part in (s or ""):gmatch("[^,;\n]+") do
        part = text.trim(part)
        if part ~= "" then parts[#parts + 1] = part end
    end
    return parts
end

-- Cuts a long text at a word and says so.
function text.shorten(s, length)
    s = text.trim(s)
    if #s <= length then return s end
    local cut = s:sub(1, length)
    local head = cut:match("^(.+)%s%S*$") or cut
    return head .. " ..."
end

-- 1234567 becomes "1,234,567".
function text.thousands(n)
    local digits = string.format("%d", n)
    local rest
    repeat
        digits, rest = string.gsub(digits, "^(-?%d+)(%d%d%d)", "%1,%2")
    until rest == 0
    return digits
end

-- Whole percent of a part; nothing of nothing is nothing.
function text.percent(part, whole)
    if whole == 0 then return "0%" end
    return string.format("%d%%", part / whole * 100 + 0.5)
end

-- A bar of blocks, for people who read mails in plain text.
function text.bar(part, whole, width)
    if whole == 0 then return "" end
    return string.rep("#", part / whole * width)
end

-- Joins what is there of the values.
function text.join(separator, ...)
    local parts = {}
    for i = 1, select("#", ...) do
        local part = select(i, ...)
        if text.isPresent(part) then parts[#parts + 1] = part end
    end
    return table.concat(parts, separator)
end

return text
