//! Hostile scripts: each ends with a clear error after the same gas each time, and the state lives on.

use crate::lua::state::{State, StateLimits};
use std::time::{Duration, Instant};

const GAS: u64 = 2_000_000;

fn state() -> State {
    State::new(
        7,
        StateLimits {
            memory: 8 << 20,
            gas: GAS,
            ..StateLimits::default()
        },
    )
    .unwrap()
}

/// Runs a script: what it returned or its error, the gas it took, whether that was all of it.
fn run(state: &State, script: &str) -> (Result<String, String>, u64, bool) {
    run_with(state, GAS, script)
}

fn run_with(state: &State, gas: u64, script: &str) -> (Result<String, String>, u64, bool) {
    state.budget().refill(gas);
    let result = state.evaluate(c"=hostile", script);
    (result, state.budget().used(), state.budget().exhausted())
}

/// The script runs into the gas limit, twice alike, and fast enough.
fn spends(script: &str) {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let state = state();
        let start = Instant::now();
        let (result, used, exhausted) = run(&state, script);
        let time = start.elapsed();
        assert!(exhausted, "not cut: {script}\n{result:?} after {used}");
        let error = result.expect_err(script);
        assert!(error.contains("gas limit"), "{script}\n{error}");
        assert!(time < Duration::from_secs(4), "{time:?}: {script}");
        assert_eq!(
            run(&state, "return 'well'").0.as_deref(),
            Ok("well"),
            "{script}"
        );
        assert!(!state.budget().exhausted());
        seen.push((error, used));
    }
    assert_eq!(seen[0], seen[1], "{script}");
}

/// The script runs into another limit, twice alike.
fn fails(script: &str, message: &str) {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let state = state();
        let (result, used, exhausted) = run_with(&state, 10 * GAS, script);
        let error = result.expect_err(script);
        assert!(error.contains(message), "{script}\n{error}");
        assert!(!exhausted, "{script}");
        assert_eq!(
            run(&state, "return 'well'").0.as_deref(),
            Ok("well"),
            "{script}"
        );
        seen.push((error, used, state.memory_used()));
    }
    assert_eq!(seen[0], seen[1], "{script}");
}

#[test]
fn endless_loops_are_cut() {
    spends("while true do end");
    spends("repeat local x = 1 until false");
    spends("for i = 1, math.huge do end");
    spends("local function f() return f() end f()");
    spends("::again:: goto again");
    spends(
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
    );
}

#[test]
fn nothing_swallows_the_cut() {
    spends("while true do pcall(function() while true do end end) end");
    spends("local function f() pcall(f) while true do end end f()");
    spends("local function f() while true do pcall(f) end end f()");
    spends("return pcall(function() while true do end end) and 'caught' or 'caught'");
    spends("return select(2, pcall(pcall, pcall, function() while true do end end))");
    spends(
        "return xpcall(function() while true do end end, function() return 'handled' end) or 'x'",
    );
    spends("xpcall(error, function() while true do end end) return 'x'");
    spends("while true do xpcall(error, function() xpcall(error, error) end) end");
    spends("return load(function() while true do end end) or 'x'");
    spends("return pcall(string.gsub, 'x', 'x', function() while true do end end) and 'x' or 'x'");
    spends("error(setmetatable({}, {__tostring = function() while true do end end}))");
    spends("return tostring(setmetatable({}, {__tostring = function() while true do end end}))");
}

#[test]
fn coroutines_do_not_outlive_the_cut() {
    spends("coroutine.wrap(function() while true do end end)() return 'x'");
    spends("coroutine.resume(coroutine.create(function() while true do end end)) return 'x'");
    spends("while true do coroutine.wrap(function() for i = 1, 900 do end end)() end");
    spends(
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
    );
    spends("local function f() coroutine.wrap(f)() end while true do pcall(f) end");
    spends(
        "local co = coroutine.wrap(function() pcall(function() coroutine.yield() while true do end end) end)
         co() co() return 'x'",
    );
    spends("while true do coroutine.resume(coroutine.create(error)) end");
}

#[test]
fn closing_does_not_escape_the_cut() {
    let close = "local mt = {} local t = setmetatable({}, mt) mt.__close = function() while true do end end ";
    spends(&format!("{close} do local x <close> = t end return 'x'"));
    spends(&format!("{close} local x <close> = t while true do end"));
    spends(&format!(
        "{close} local co = coroutine.create(function() local x <close> = t coroutine.yield() end)
         coroutine.resume(co) coroutine.close(co) return 'x'"
    ));
    // A coroutine that was cut and is closed in a later event.
    let state = state();
    let script = format!(
        "{close} co = coroutine.create(function() local x <close> = t while true do end end)
         coroutine.resume(co)"
    );
    assert!(run(&state, &script).2);
    let (_, _, exhausted) = run(&state, "return tostring(coroutine.close(co))");
    assert!(exhausted);
}

#[test]
fn finalizers_are_refused() {
    fails(
        "setmetatable({}, {__gc = function() end})",
        "'__gc' is not available",
    );
    fails(
        "setmetatable({}, {__close = function() end})",
        "'__close' is not available",
    );
    fails(
        "local mt = {} setmetatable({}, mt) mt.__gc = function() end setmetatable({}, mt)",
        "'__gc' is not available",
    );
}

#[test]
fn c_loops_are_charged() {
    spends("string.rep('a', 100000):find(('a*'):rep(30) .. 'b')");
    spends("local s = ('a'):rep(200000) while true do s:find('.-b') end");
    spends("local s = ('('):rep(200000) while true do s:gsub('%b()', '') end");
    spends(
        "local s = ('x'):rep(200000) while true do s:match('[' .. ('a'):rep(100000) .. ']') end",
    );
    spends(
        "local s, n = ('a'):rep(1000000), ('a'):rep(500000) .. 'b' while true do s:find(n, 1, true) end",
    );
    spends("for w in ('a'):rep(100000):gmatch('a-b') do end");
    spends("(''):rep(1e9) while true do ('x'):rep(100000) end");
    spends("table.move({}, 1, 1e15, 2)");
    spends(
        "local t = {} for i = 1, 50000 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, 1) end",
    );
    spends("local t = {} for i = 1, 20000 do t[i] = -i end while true do table.sort(t) end");
    spends(
        "local s = ('a'):rep(1000000) local t = {} for i = 1, 1000 do t[i] = s end table.sort(t)",
    );
    spends("local a, b = ('a'):rep(2000000) .. 'a', ('a'):rep(2000000) .. 'b' while a < b do end");
    spends("local a, b = ('a'):rep(2000000) .. 'a', ('a'):rep(2000000) .. 'b' while a ~= b do end");
    spends(
        "local t = {} for i = 1, 60000 do t['k' .. i] = 1 end for k in pairs(t) do t[k] = nil end while true do next(t) end",
    );
    spends(
        "local function f(...) while true do g = select('#', ...) end end f(table.unpack({}, 1, 100000))",
    );
    spends("local s = (' '):rep(1000000) while true do load(s) end");
    spends("local s = (' '):rep(1000000) load(function() return s end)");
    spends("local s = ('1'):rep(400) while true do local x = s + 1 end");
    spends("local s = ('a'):rep(1000000) while true do utf8.len(s) end");
    spends("local s = (' '):rep(1000000) while true do string.packsize(s) end");
    spends("while true do table.concat({}, '', 1, 0) end");
    spends("local t = {} while true do t = {t} ; for i = 1, 100 do local x = {} end end");
}

#[test]
fn memory_bombs_hit_the_memory_limit() {
    let limit = "not enough memory: this session used up its Lua memory";
    fails("return ('x'):rep(1e9)", limit);
    fails("return ('x'):rep(100000000)", limit);
    fails("local t = {} for i = 1, 1e9 do t[i] = i end", limit);
    fails("local s = 'x' while true do s = s .. s end", limit);
    fails(
        "local t = {} while true do t[#t + 1] = ('x'):rep(10000) .. #t end",
        limit,
    );
    fails(
        "return table.concat(setmetatable({}, {__index = function() return ('x'):rep(100000) end}), '', 1, 1000)",
        limit,
    );
    fails("return string.format('%s', ('x'):rep(5000000))", limit);
    fails(
        "return assert(load('return {' .. ('x,'):rep(1500000) .. '}'))",
        limit,
    );
    // A bomb that catches its own failures runs out of gas, since each makes Lua collect everything.
    spends("local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end");
    spends("while true do pcall(string.rep, 'x', 1e8) end");
}

#[test]
fn deep_recursion_ends_with_an_error() {
    fails(
        "local function f() return 1 + f() end f()",
        "not enough memory",
    );
    fails(
        "local function f() return tostring(setmetatable({}, {__tostring = f})) end f()",
        "overflow",
    );
    fails(
        "local function f() return pcall(f) end local t = {} t = setmetatable(t, {__index = function(t, k) return t[k + 1] end}) return t[1]",
        "overflow",
    );
    fails(
        "local s = ('('):rep(1000) .. '1' .. (')'):rep(1000) return assert(load('return ' .. s))",
        "overflow",
    );
    fails(
        "return ('x'):rep(300000):find(('(.-)'):rep(40))",
        "too many captures",
    );
    fails(
        "return ('x'):rep(300000):match(('x?'):rep(300000) )",
        "too complex",
    );
    fails(
        "local t = {} for i = 1, 300 do t = setmetatable({}, {__index = t}) end return t.x .. ''",
        "attempt to concatenate",
    );
}

#[test]
fn the_error_says_where_and_what() {
    let state = state();
    let (result, used, _) = run(&state, "local x = 1\nwhile true do x = x + 1 end");
    let error = result.unwrap_err();
    assert!(
        error.contains(
            "hostile:2: gas limit: this event used more than 2000000 instructions; do less at once, or raise the gas limit"
        ),
        "{error}"
    );
    assert!((GAS..GAS + 2000).contains(&used), "{used}");
    assert!(state.budget().message().contains("2000000"));
}

#[test]
fn yields_cross_protected_calls() {
    let state = state();
    let script = "
        local co = coroutine.wrap(function(a)
            local ok, b = pcall(function() return coroutine.yield(a + 1) end)
            local bad, e = xpcall(function() error(coroutine.yield(b + 1), 0) end, function(m) return 'h:' .. m end)
            return tostring(ok) .. tostring(bad) .. e
        end)
        return co(1) .. ' ' .. co(5) .. ' ' .. co('err')";
    assert_eq!(run(&state, script).0.unwrap(), "2 6 truefalseh:err");
    let script = "local ok, e = pcall(error, {code = 5}) return tostring(ok) .. e.code .. select('#', pcall(error))";
    assert_eq!(run(&state, script).0.unwrap(), "false52");
    let script = "local ok, e = pcall(coroutine.wrap(function() error('a') end)) return e";
    assert_eq!(run(&state, script).0.unwrap(), "hostile:1: a");
}

/// Every allocation of a script fails in turn: an error each time, and no harm done.
#[test]
fn any_allocation_may_fail() {
    let script = "
        local t = {}
        for i = 1, 20 do t['k' .. i] = {i, tostring(i), function() return i end} end
        local s = table.concat({1, 2, 3}, ','):rep(50)
        local co = coroutine.wrap(function() coroutine.yield(s:gsub('%d', '%0%0')) end)
        return co() .. string.format('%q', s) .. os.date('%c', 0) .. select(2, pcall(error, 'x'))";
    let mut failed = 0;
    for n in 1..2000 {
        let state = state();
        let expected = run(&state, script).0.unwrap();
        state.fail_at(n);
        let before = state.allocation_failures();
        let (result, ..) = run(&state, script);
        if state.allocation_failures() == before {
            assert!(n > 50, "the script allocates");
            break;
        }
        match result {
            // Where memory is optional (a cache, a shrinking table) the failure is survived.
            Ok(text) => assert_eq!(text, expected),
            Err(error) => {
                assert!(error.contains("not enough memory"), "{n}: {error}");
                failed += 1;
            }
        }
        state.fail_at(0);
        assert_eq!(run(&state, script).0.unwrap(), expected);
    }
    assert!(failed > 50, "{failed}");
}

/// What a state does and uses does not depend on others that run in between.
#[test]
fn states_do_not_charge_each_other() {
    let script = "n = (n or 0) + 1 local s = ('ab'):rep(1000) local _, k = s:gsub('a', '%0%0') for i = 1, 5000 do k = k + i end return k + n";
    let alone = state();
    let expected: Vec<_> = (0..5).map(|_| run(&alone, script)).collect();
    let (one, two) = (state(), state());
    for expected in &expected {
        assert_eq!(&run(&one, script), expected);
        let _ = run(&two, "while true do end");
    }
}

/// The deepest nesting of C calls that Lua allows fits the stack that the event loop has at least.
#[test]
fn nested_c_calls_fit_a_small_stack() {
    let deep = [
        "local function f() return (('x'):gsub('x', f)) end return f()",
        "local function f() return string.format('%s', setmetatable({}, {__tostring = f})) end return f()",
        "local function f(a, b) table.sort({1, 2, 3}, f) return a < b end f(1, 2)",
        "local function f() return load(f) end return assert(f())",
        "local function f() return coroutine.wrap(f)() end return f()",
        "local function f() return pcall(f) and xpcall(f, print) end return tostring(f())",
        "return assert(load('return ' .. ('{'):rep(190) .. ('}'):rep(190)))",
        "return ('x'):rep(250):find(('(x-)'):rep(30) .. ('x-'):rep(100) .. 'y')",
    ];
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    let work = move || {
        for script in deep {
            // Some end with an error, some do not: what counts is that the process is still there.
            let state = state();
            let _ = run(&state, script);
            assert_eq!(
                run(&state, "return 'well'").0.as_deref(),
                Ok("well"),
                "{script}"
            );
        }
    };
    thread.spawn(work).unwrap().join().unwrap();
}
