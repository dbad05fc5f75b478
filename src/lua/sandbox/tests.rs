use crate::lua::sandbox::clock::{TurnTime, set_turn};
use crate::lua::state::{State, StateLimits};

/// Runs lines of `script = expected`, each as an expression in one state.
fn expect(lines: &[(&str, &str)]) {
    set_turn(TurnTime {
        now_ms: 90_500,
        wall_ms: 1_700_000_000_999,
    });
    let state = State::new(1, StateLimits::default()).unwrap();
    for (script, expected) in lines {
        let chunk = format!(
            "local function text(...) local t = table.pack(...) for i = 1, t.n do t[i] = tostring(t[i]) end return table.concat(t, ' ') end return text({script})"
        );
        let seen = state.evaluate(c"=t", &chunk);
        assert_eq!(seen.unwrap_or_else(|error| error), *expected, "{script}");
    }
}

#[test]
fn the_way_out_is_gone() {
    let gone = [
        "dofile",
        "loadfile",
        "debug.getinfo",
        "debug.getregistry",
        "debug.sethook",
        "debug.getupvalue",
        "io",
        "require",
        "package",
        "print",
        "string.dump",
        "os.exit",
        "os.setlocale",
        "warn",
    ];
    for name in gone {
        expect(&[(name, "nil")]);
    }
    expect(&[
        (
            "pcall(os.execute, 'ls')",
            "false os.execute would block everyone: use session:spawn, or add allow = [\"blocking\"] to [lua] in lunette.toml",
        ),
        (
            "pcall(load, '\\27Lua')",
            "true nil attempt to load a binary chunk (mode is 't')",
        ),
        (
            "load('\\27Lua', 'x', 'b')",
            "nil attempt to load a binary chunk (mode is 't')",
        ),
        (
            "select(2, pcall(string.format, '%p', {}))",
            "string.format: '%p' is not available in a session",
        ),
        (
            "collectgarbage(), collectgarbage('collect'), type(collectgarbage('count'))",
            "0 0 number",
        ),
        (
            "pcall(collectgarbage, 'x')",
            "false bad argument #1 to '?' (invalid option 'x')",
        ),
    ]);
}

#[test]
fn code_for_older_lua_runs() {
    expect(&[
        (
            "tostring(3.0), 3.0 .. '|' .. 2^31, 1e15, -0.0, 0.1",
            "3 3|2147483648 1e+15 -0 0.1",
        ),
        (
            "1e14, 99999999999999.0, 123456789012.5, -5.0",
            "1e+14 99999999999999 123456789012.5 -5",
        ),
        (
            "math.maxinteger, math.mininteger",
            "9223372036854775807 -9223372036854775808",
        ),
        ("0/0, -(0/0), 1/0, -1/0", "nan nan inf -inf"),
        (
            "string.format('%d %5.1f %x %d %c', 3.5, 2.25, 255.9, '-7.9', 65.2)",
            "3   2.2 ff -7 A",
        ),
        (
            "pcall(string.format, '%d', 'x')",
            "false bad argument #2 to '?' (number expected, got string)",
        ),
        ("unpack({1, 2, 3})", "1 2 3"),
        ("loadstring('return 1 + 1')()", "2"),
        ("table.getn({1, 2}), table.maxn({1, 2, [10] = 1})", "2 10"),
        ("math.pow(2, 10), math.log10(1000)", "1024 3"),
        ("string.gfind('ab', '.')()", "a"),
        (
            "(function() setfenv(1, {type = type}) return type(tostring) end)()",
            "nil",
        ),
        (
            "(function() local f = load('x = 1 return x') local e = {} setfenv(f, e) f() return e.x, x, getfenv(f) == e end)()",
            "1 nil true",
        ),
        (
            "getfenv(0) == _G, getfenv(1) == _G, getfenv(tostring) == _G",
            "true true true",
        ),
        (
            "load('return y', 'n', 't', {y = 5})(), type(load(function() end))",
            "5 function",
        ),
        ("math.random(3.7) <= 3", "true"),
    ]);
}

#[test]
fn what_is_loaded_has_the_globals_unless_it_is_given_others() {
    expect(&[
        ("load('return type(1)')()", "number"),
        ("loadstring('return type(1)')()", "number"),
        ("load('return type(1)', '=x')()", "number"),
        ("load('return type(1)', '=x', 't')()", "number"),
        (
            "load(coroutine.wrap(function() coroutine.yield('return type(1)') end))()",
            "number",
        ),
        ("load('return type', '=x', 't', {})()", "nil"),
        ("load('return _ENV', '=x', 't', nil)()", "nil"),
        ("load('return _ENV', '=x', 't', 7)()", "7"),
    ]);
}

#[test]
fn nobody_gets_at_the_functions_behind_the_libraries() {
    expect(&[
        (
            "getmetatable(math), getmetatable(string), getmetatable(debug)",
            "false false false",
        ),
        (
            "pcall(setmetatable, math, {})",
            "false cannot change a protected metatable",
        ),
    ]);
}

#[test]
fn libraries_fill_on_first_use() {
    expect(&[
        (
            "rawget(string, 'upper') == nil, ('x'):upper(), rawget(string, 'upper') ~= nil",
            "true X true",
        ),
        ("math.nothing, string[1], table[{}]", "nil nil nil"),
        (
            "(function() local n = 0 for k, v in pairs(math) do n = n + 1 end return n, rawget(math, 'sin') ~= nil end)()",
            "36 true",
        ),
        (
            "(function() function string.trim(s) return s:match('^%s*(.-)%s*$') end return (' a '):trim() .. '|' end)()",
            "a|",
        ),
        ("'10' + 5, '3' * '4', -'2', 10 .. 20", "15 12 -2 1020"),
        (
            "utf8.char(228, 8364) == 'ä€', utf8.len('ä€'), #utf8.charpattern",
            "true 2 14",
        ),
    ]);
}

#[test]
fn patterns_work_as_ever() {
    expect(&[
        (
            "('hello world'):find('o w'), ('hello'):find('l', 1, true), ('a.b'):find('.', 2, true)",
            "5 3 2 2",
        ),
        (
            "('hello'):find('xyz'), ('hello'):find('', 10), ('hello'):find('', 6)",
            "nil nil 6 5",
        ),
        (
            "('hello'):find('l', -2), ('hello'):find('h', -100), ('a+b'):find('+', 1, true)",
            "4 1 2 2",
        ),
        ("('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key value"),
        (
            "('abc'):gsub('%w', '%0%0'), ('abc'):gsub('', '-')",
            "aabbcc -a-b-c- 4",
        ),
        (
            "('f(a(b)c)d'):match('%b()'), ('THE (quick) fox'):find('%((%a+)%)')",
            "(a(b)c) 5 11 quick",
        ),
        (
            "(function() local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t + 1] = k .. v end return table.concat(t) end)()",
            "a1b2",
        ),
        (
            "(function() local n = 0 for w in ('(a)(b)'):gmatch('%b()') do n = n + 1 end return n end)()",
            "2",
        ),
        (
            "('x'):rep(3, ','), (''):rep(100), ('ab'):rep(0), ('ab'):rep(-1)",
            "x,x,x   ",
        ),
    ]);
}

#[test]
fn time_is_the_turns() {
    expect(&[
        (
            "os.time(), os.clock(), os.difftime(10, 4)",
            "1700000000 90.5 6",
        ),
        (
            "os.date('%Y-%m-%d %H:%M:%S'), os.date('!%c')",
            "2023-11-14 22:13:20 Tue Nov 14 22:13:20 2023",
        ),
        (
            "os.date('%a %A %b %B %d %e %j %y %p %I %U %W %V %G %u %w %D %F %T %R %r %x %X %Z %z %%', 0)",
            "Thu Thursday Jan January 01  1 001 70 AM 12 00 00 01 1970 4 4 01/01/70 1970-01-01 00:00:00 00:00 12:00:00 AM 01/01/70 00:00:00 UTC +0000 %",
        ),
        (
            "os.date('%G-%V', 1609459200), os.date('%G-%V', 1230768000), os.date('%G-%V', 1419984000)",
            "2020-53 2009-01 2015-01",
        ),
        (
            "os.time({year = 2024, month = 2, day = 29, hour = 0}), os.time({year = 2000, month = 1, day = 1})",
            "1709164800 946728000",
        ),
        (
            "(function() local t = {year = 2023, month = 14, day = -3, hour = 25} os.time(t) return t.year, t.month, t.day, t.hour, t.wday, t.yday end)()",
            "2024 1 29 1 2 29",
        ),
        (
            "os.date('*t', 86399).sec, os.date('!*t').year, os.date('*t').isdst",
            "59 2023 false",
        ),
        (
            "os.date('%Y', -62135596800), os.date('%F', -1), os.date('%F', 253402300799)",
            "1 1969-12-31 9999-12-31",
        ),
        (
            "pcall(os.date, '%Q')",
            "false bad argument #1 to 'date' (invalid conversion specifier '%Q')",
        ),
        (
            "pcall(os.time, {year = 2000})",
            "false field 'month' missing in date table",
        ),
        (
            "pcall(os.date, '%c', 1e18)",
            "false date result cannot be represented: the year is out of range",
        ),
    ]);
}

#[test]
fn random_numbers_come_from_the_seed() {
    let draw = |seed| {
        let state = State::new(seed, StateLimits::default()).unwrap();
        state
            .evaluate(c"=t", "return math.random(1, 1000000)")
            .unwrap()
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
    expect(&[
        (
            "(function() math.randomseed(7) local a = math.random(100) math.randomseed(7) return a == math.random(100) end)()",
            "true",
        ),
        (
            "(function() for i = 1, 1000 do local x = math.random() assert(x >= 0 and x < 1) assert(math.random(6) <= 6 and math.random(-2, 2) >= -2) end return 'fine' end)()",
            "fine",
        ),
        (
            "pcall(math.random, 2, 1)",
            "false bad argument #2 to '?' (interval is empty)",
        ),
        ("math.type(math.random(0)), math.random(5, 5)", "integer 5"),
    ]);
}

#[test]
fn tables_work_as_ever() {
    expect(&[
        (
            "(function() local t = {3, 1, 2} table.sort(t) table.insert(t, 9) table.insert(t, 1, 0) table.remove(t, 2) return table.concat(t, ',') end)()",
            "0,2,3,9",
        ),
        (
            "(function() for n = 0, 130 do local t, seen = {}, {} for i = 1, n do local x = i * 7919 % 101 t[i] = {x, i} end table.sort(t, function(a, b) return a[1] < b[1] end) for i = 2, n do local a, b = t[i - 1], t[i] assert(a[1] < b[1] or a[1] == b[1] and a[2] < b[2]) end assert(#t == n) end return 'stable' end)()",
            "stable",
        ),
        (
            "(function() local inner = {3, 1, 2} local t = setmetatable({}, {__len = function() return #inner end, __index = inner, __newindex = inner}) table.sort(t) return table.concat(inner, ' '), next(t) end)()",
            "1 2 3 nil",
        ),
        (
            "table.concat({1, 2, 3}, '-', 2, 3), table.unpack({1, 2, 3}, 2)",
            "2-3 2 3",
        ),
        (
            "table.concat(table.move({1, 2, 3}, 1, 3, 2), ',')",
            "1,1,2,3",
        ),
        (
            "pcall(table.concat, {1, {}, 3})",
            "false invalid value (table) at index 2 in table for 'concat'",
        ),
        (
            "pcall(table.insert, {}, 5, 1), pcall(table.insert, setmetatable({}, {}), 5, 1)",
            "true false bad argument #2 to '?' (position out of bounds)",
        ),
        (
            "pcall(setmetatable, 1)",
            "false bad argument #1 to '?' (table expected, got number)",
        ),
        (
            "getmetatable(setmetatable({}, {__metatable = 'locked'})), pcall(setmetatable, setmetatable({}, {__metatable = 1}), {})",
            "locked false cannot change a protected metatable",
        ),
        (
            "tonumber('ff', 16), tonumber('0x10'), tonumber('  12  '), tonumber('1e1'), tonumber('x'), tonumber('7', 8)",
            "255 16 12 10 nil 7",
        ),
    ]);
}
