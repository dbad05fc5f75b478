-- json: reads and writes JSON. Old apps bring their own; this one writes keys in order and one field a line,
-- so that files can be compared.

local json = {}

local ESCAPES = {
    ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}
local UNESCAPES = {
    ['"'] = '"', ["\\"] = "\\", ["\/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

-- Writing -----------------------------------------------------------------------------------------------------

local function quote(s)
    return '"' .. string.gsub(s, '[%c"\\]', function(c)
        return ESCAPES[c] or string.format("\\u%04x", string.byte(c))
    end) .. '"'
end

local write

local function isArray(t)
    if next(t) == nil then return true end
    return t[1] ~= nil and table.maxn(t) == table.getn(t)
end

local function writeArray(t, indent, out)
    if #t == 0 then
        out[#out + 1] = "[]"
        return
    end
    local inner = indent .. "  "
    out[#out + 1] = "["
    for i = 1, #t do
        out[#out + 1] = (i > 1 and "," or "") .. "\n" .. inner
        write(t[i], inner, out)
    end
    out[#out + 1] = "\n" .. indent .. "]"
end

local function writeObject(t, indent, out)
    local keys = {}
    for key in pairs(t) do
        if type(key) == "string" then table.insert(keys, key) end
    end
    table.sort(keys)
    local inner = indent .. "  "
    out[#out + 1] = "{"
    for i, key in ipairs(keys) do
        out[#out + 1] = (i > 1 and "," or "") .. "\n" .. inner .. quote(key) .. ": "
        write(t[key], inner, out)
    end
    out[#out + 1] = "\n" .. indent .. "}"
end

function write(value, indent, out)
    local kind = type(value)
    if kind == "string" then
        out[#out + 1] = quote(value)
    elseif kind == "number" or kind == "boolean" then
        out[#out + 1] = tostring(value)
    elseif kind ~= "table" then
        out[#out + 1] = "null"
    elseif isArray(value) then
        writeArray(value, indent, out)
    else
        writeObject(value, indent, out)
    end
end

function json.encode(value)
    local out = {}
    write(value, "", out)
    return table.concat(out)
end

-- Reading -----------------------------------------------------------------------------------------------------

local function fail(s, at, what)
    local _, lines = string.gsub(string.sub(s, 1, at), "\n", "")
    error({ message = "line " .. lines + 1 .. ": " .. what })
end

local function skip(s, at)
    local _, last = string.find(s, "^[ \n\r\t]*", at)
    return last + 1
end

-- A code point as UTF-8.
local function utf8of(code)
    if code < 128 then return string.char(code) end
    if code < 2048 then
        return string.char(192 + code / 64, 128 + code % 64)
    end
    return string.char(224 + code / 4096, 128 + math.floor(code / 64) % 64, 128 + code % 64)
end

local function readString(s, at)
    local parts, from = {}, at + 1
    while true do
        local stop = string.find(s, '["\\]', from)
        if not stop then fail(s, at, "a text has no end") end
        parts[#parts + 1] = string.sub(s, from, stop - 1)
        if string.sub(s, stop, stop) == '"' then
            return table.concat(parts), stop + 1
        end
        local c = string.sub(s, stop + 1, stop + 1)
        if c == "u" then
            local hex = string.match(s, "^%x%x%x%x", stop + 2)
            if not hex then fail(s, stop, "bad \\u in a text") end
            parts[#parts + 1] = utf8of(tonumber(hex, 16))
            from = stop + 6
        else
            if not UNESCAPES[c] then fail(s, stop, "bad \\" .. c .. " in a text") end
            parts[#parts + 1] = UNESCAPES[c]
            from = stop + 2
        end
    end
end

local read

local function readArray(s, at)
    local result = {}
    at = skip(s, at + 1)
    if string.sub(s, at, at) == "]" then return result, at + 1 end
    while true do
        local value
        value, at = read(s, at)
        table.insert(result, value)
        at = skip(s, at)
        local c = string.sub(s, at, at)
        if c == "]" then return result, at + 1 end
        if c ~= "," then fail(s, at, "expected , or ] in a list") end
        at = at + 1
    end
end

local function readObject(s, at)
    local result = {}
    at = skip(s, at + 1)
    if string.sub(s, at, at) == "}" then return result, at + 1 end
    while true do
        at = skip(s, at)
        if string.sub(s, at, at) ~= '"' then fail(s, at, "expected a name in quotes") end
        local key, value
        key, at = readString(s, at)
        at = skip(s, at)
        if string.sub(s, at, at) ~= ":" then fail(s, at, "expected : after a name") end
        value, at = read(s, at + 1)
        result[key] = value
        at = skip(s, at)
        local c = string.sub(s, at, at)
        if c == "}" then return result, at + 1 end
        if c ~= "," then fail(s, at, "expected , or } in an object") end
        at = at + 1
    end
end

local WORDS = { ["true"] = true, ["false"] = false }

function read(s, at)
    at = skip(s, at)
    local c = string.sub(s, at, at)
    if c == "{" then return readObject(s, at) end
    if c == "[" then return readArray(s, at) end
    if c == '"' then return readString(s, at) end
    local number = string.match(s, "^-?%d+%.?%d*[eE]?[+-]?%d*", at)
    if number then return tonumber(number), at + #number end
    local word = string.match(s, "^%a+", at)
    if word == "null" then return nil, at + 4 end
    if word and WORDS[word] ~= nil then return WORDS[word], at + #word end
    fail(s, at, c == "" and "the text ends too early" or "unexpected " .. c)
end

-- The value, or nil and what is wrong.
function json.decode(s)
    local ok, value, at = pcall(read, s, 1)
    if ok and skip(s, at) <= #s then
        ok, value = pcall(fail, s, at, "there is more after the end")
    end
    if ok then return value end
    return nil, type(value) == "table" and value.message or tostring(value)
end

return json
