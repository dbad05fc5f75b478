-- The library `io`, for sites that grant it. Called on first use with Lua's own functions, the session
-- table, the table to fill, and `ask`, the way outside.
--
-- Reading a file is one question to the machine, when it is opened; writing is one when it is closed or
-- flushed, at the latest after the event that wrote. All between is done here, so that a handle is
-- nothing but Lua, and a recording holds what was read once.

local lua, session, io, ask = ...
local error, select, setmetatable, tostring, tonumber, type, rawset =
  lua.error, lua.select, lua.setmetatable, lua.tostring, lua.tonumber, lua.type, lua.rawset
local concat, format, find, match, sub = lua.concat, lua.format, lua.find, lua.match, lua.sub
local unpack = lua.unpack
local clear, immediate, log = session.clearImmediate, session.setImmediate, session.log

-- What `session:readFile` can read, too.
local LARGEST = 8 * 1024 * 1024

local File = { __name = "FILE*", __metatable = false }
File.__index = File

local function open_file(f, level)
  if type(f) ~= "table" or f._text == nil then
    error("bad argument #1 (FILE* expected, got " .. type(f) .. ")", level or 3)
  end
  if f._closed then error("attempt to use a closed file", level or 3) end
  return f
end

-- Puts what was written at the end to the rest of the text.
local function join(f)
  if #f._parts > 0 then
    f._text = f._text .. concat(f._parts)
    f._parts = {}
    f._waiting = 0
  end
end

local function length(f) return #f._text + f._waiting end

local function flush(f)
  if f._timer then
    clear(session, f._timer)
    f._timer = nil
  end
  if not f._dirty or not f._path then return true end
  join(f)
  f._dirty = false
  local done, why, code
  if f._rewrite then
    done, why, code = ask("write", f._path, f._text)
  else
    done, why, code = ask("append", f._path, sub(f._text, f._saved + 1))
  end
  if not done then return nil, why, code end
  f._rewrite = false
  if f._append and not f._read then
    f._text, f._saved = "", 0
  else
    f._saved = #f._text
  end
  return true
end

-- What nobody flushes is written after the event.
local function touch(f)
  f._dirty = true
  if f._timer or not f._path then return end
  f._timer = immediate(session, function()
    f._timer = nil
    local done, why = flush(f)
    if not done then error(why, 0) end
  end)
end

local function put(f, text)
  if length(f) + #text > LARGEST then return nil, "File too large", 27 end
  if f._append then f._at = length(f) end
  if f._at >= length(f) then
    if f._at > length(f) then
      -- Behind the end: the gap is zeros, as in any file.
      f._parts[#f._parts + 1] = ("\0"):rep(f._at - length(f))
      f._waiting = f._at - #f._text
    end
    f._parts[#f._parts + 1] = text
    f._waiting = f._waiting + #text
  else
    join(f)
    f._text = sub(f._text, 1, f._at) .. text .. sub(f._text, f._at + #text + 1)
    f._rewrite = true
  end
  f._at = f._at + #text
  touch(f)
  return true
end

-- Standard output and error go to the log, a line at a time.
local function put_line(f, text)
  local rest = f._line .. text
  local from = 1
  while true do
    local to = find(rest, "\n", from, true)
    if not to then break end
    log(session, 0, sub(rest, from, to - 1))
    from = to + 1
  end
  f._line = sub(rest, from)
  if #f._line > 4096 then
    log(session, 0, f._line)
    f._line = ""
  end
  return true
end

function File:write(...)
  local f = open_file(self)
  if not f._write then return nil, "Bad file descriptor", 9 end
  for i = 1, select("#", ...) do
    local text = select(i, ...)
    if type(text) == "number" then
      text = tostring(text)
    elseif type(text) ~= "string" then
      error(format("bad argument #%d to 'write' (string expected, got %s)", i, type(text)), 2)
    end
    local done, why, code = (f._line and put_line or put)(f, text)
    if not done then return nil, why, code end
  end
  return self
end

local function read_line(f, keep)
  local text, at = f._text, f._at
  if at >= #text then return nil end
  local to = find(text, "\n", at + 1, true)
  f._at = to or #text
  return sub(text, at + 1, (to and not keep) and to - 1 or to or #text)
end

local function read_number(f)
  local text = f._text
  local from = find(text, "%S", f._at + 1) or #text + 1
  local numeral = match(text, "^[+-]?0[xX]%x*%.?%x*[pP]?[+-]?%d*", from)
    or match(text, "^[+-]?%d*%.?%d*[eE]?[+-]?%d*", from)
    or ""
  f._at = from - 1 + #numeral
  return tonumber(numeral)
end

local function read_bytes(f, count)
  if f._at >= #f._text then return nil end
  local text = sub(f._text, f._at + 1, f._at + count)
  f._at = f._at + #text
  return text
end

local function read_one(f, how)
  if type(how) == "number" then return read_bytes(f, how) end
  local kind = match(tostring(how), "^%*?(%a)")
  if kind == "l" then return read_line(f, false) end
  if kind == "L" then return read_line(f, true) end
  if kind == "n" then return read_number(f) end
  if kind == "a" then return read_bytes(f, #f._text) or "" end
  error("bad argument to 'read' (invalid format)", 4)
end

local function read(f, ...)
  if not f._read then return nil, "Bad file descriptor", 9 end
  join(f)
  local count = select("#", ...)
  if count == 0 then return read_one(f, "l") end
  local found = {}
  for i = 1, count do
    found[i] = read_one(f, (select(i, ...)))
    if found[i] == nil then return unpack(found, 1, i) end
  end
  return unpack(found, 1, count)
end

function File:read(...) return read(open_file(self), ...) end

local function lines(f, close, ...)
  local formats = { n = select("#", ...), ... }
  return function()
    if f._closed then error("file is already closed", 2) end
    local found = { read(f, unpack(formats, 1, formats.n)) }
    if found[1] == nil and close then f:close() end
    return unpack(found)
  end
end

function File:lines(...) return lines(open_file(self), false, ...) end

function File:seek(whence, offset)
  local f = open_file(self)
  if whence ~= nil and type(whence) ~= "string" then
    error("bad argument #1 to 'seek' (string expected)", 2)
  end
  if f._line then return nil, "Illegal seek", 29 end
  if f._append and not f._read and f._path then
    -- Where the end is, only the machine knows.
    local done, why, code = flush(f)
    if not done then return nil, why, code end
    local text
    text, why, code = ask("read", f._path)
    if not text then return nil, why, code end
    return #text
  end
  local from
  if whence == nil or whence == "cur" then from = f._at
  elseif whence == "set" then from = 0
  elseif whence == "end" then from = length(f)
  else error("bad argument #1 to 'seek' (invalid option '" .. whence .. "')", 2) end
  local at = from + (offset or 0)
  if at < 0 then return nil, "Invalid argument", 22 end
  if at > LARGEST then return nil, "File too large", 27 end
  f._at = at
  return at
end

function File:flush()
  local f = open_file(self)
  if f._line then
    if f._line ~= "" then log(session, 0, f._line) end
    f._line = ""
    return self
  end
  local done, why, code = flush(f)
  if not done then return nil, why, code end
  return self
end

function File:setvbuf() return true end

function File:close()
  local f = open_file(self)
  if f._line then return nil, "standard files stay open" end
  local done, why, code = flush(f)
  f._closed = true
  if f._finish then return f._finish(f) end
  f._text, f._parts = "", {}
  if not done then return nil, why, code end
  return true
end

File.__tostring = function(f)
  if f._closed then return "file (closed)" end
  return "file (" .. f._name .. ")"
end

local function handle(name, path, text)
  return setmetatable({
    _name = name, _path = path, _text = text, _at = 0, _saved = #text, _parts = {}, _waiting = 0,
  }, File)
end

local function standard(name)
  local f = handle(name, nil, "")
  f._read, f._write, f._line = name == "stdin", name ~= "stdin", name ~= "stdin" and "" or nil
  return f
end

local function granted(name) ask("check io", "io." .. name) end

local function open(path, mode)
  if type(path) ~= "string" then
    error(format("bad argument #1 to 'open' (string expected, got %s)", type(path)), 3)
  end
  mode = mode or "r"
  local kind, plus = match(mode, "^([rwa])(%+?)b?$")
  if not kind then error("bad argument #2 to 'open' (invalid mode)", 3) end
  local text, done, why, code = "", true, nil, nil
  if kind == "w" then
    done, why, code = ask("write", path, "")
  elseif kind == "a" or plus ~= "" then
    if kind == "r" then text, why, code = ask("read", path) end
    if not text then return nil, why, code end
    done, why, code = ask("append", path, "")
  end
  if not done then return nil, why, code end
  if kind == "r" and plus == "" or kind == "a" and plus ~= "" then
    text, why, code = ask("read", path)
    if not text then return nil, why, code end
  end
  local f = handle(path, path, text)
  f._read = kind == "r" or plus ~= ""
  f._write = kind ~= "r" or plus ~= ""
  f._append = kind == "a"
  return f
end

local function ended(how, code)
  if how == "exit" and code == 0 then return true, how, code end
  return nil, how, code
end

local function popen(command, mode)
  mode = mode or "r"
  if mode ~= "r" and mode ~= "w" then error("bad argument #2 to 'popen' (invalid mode)", 3) end
  if mode == "r" then
    local output, how, code = ask("run", command, "")
    if not output then return nil, how, code end
    local f = handle(command, nil, output)
    f._read = true
    f._finish = function() return ended(how, code) end
    return f
  end
  local f = handle(command, nil, "")
  f._write = true
  f._finish = function()
    join(f)
    local output, how, code = ask("run", command, f._text)
    if not output then return nil, how, code end
    return ended(how, code)
  end
  return f
end

local input, output = standard("stdin"), standard("stdout")

local functions = {
  stdin = input,
  stdout = output,
  stderr = standard("stderr"),
}

function functions.open(path, mode)
  granted("open")
  return open(path, mode)
end

function functions.popen(command, mode)
  ask("check blocking", "io.popen")
  return popen(command, mode)
end

function functions.tmpfile()
  granted("tmpfile")
  local f = handle("temporary", nil, "")
  f._read, f._write = true, true
  return f
end

function functions.lines(path, ...)
  granted("lines")
  if path == nil then return lines(input, false, ...) end
  local f, why = open(path, "r")
  if not f then error(why, 2) end
  return lines(f, true, ...)
end

function functions.read(...)
  granted("read")
  return read(input, ...)
end

function functions.write(...)
  granted("write")
  return output:write(...)
end

function functions.close(f) return (f or output):close() end

function functions.type(f)
  if type(f) ~= "table" or f._text == nil or f._parts == nil then return nil end
  return f._closed and "closed file" or "file"
end

function functions.input(f)
  granted("input")
  if type(f) == "string" then
    local why
    f, why = open(f, "r")
    if not f then error(why, 2) end
  end
  input = f or input
  return input
end

function functions.output(f)
  granted("output")
  if type(f) == "string" then
    local why
    f, why = open(f, "w")
    if not f then error(why, 2) end
  end
  output = f or output
  return output
end

for name, value in lua.next, functions do rawset(io, name, value) end
