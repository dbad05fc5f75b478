//! Images against states that just lived on: the same output, gas, memory and, at the end, the same bytes.

mod battery;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use battery::BATTERY;

use super::{HEAD, MAGIC};
use crate::core::code::Decoder;
use crate::core::event::{Opening, Turn};
use crate::core::host::Host;
use crate::core::id::SessionId;
use crate::core::limits::{GC_PAUSE, SessionLimits};
use crate::core::script::{Runtime, Script};
use crate::core::site::Site;
use crate::lua::alloc::lua_alloc;
use crate::lua::state::{State, StateLimits, TurnTime, set_turn};
use crate::lua::{LuaRuntime, LuaSession};
use mlua::ffi;

/// States of these tests have a class of windows of their own, and one at a time has it: so each gets the
/// same window, and equal states have equal images.
const LIMITS: StateLimits = StateLimits {
    memory: 24 << 20,
    gas: GAS,
    gc_pause: GC_PAUSE,
};
const GAS: u64 = 80_000_000;
const STEPS: usize = 12;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn image(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    state.freeze(&mut out).expect("it can be carried");
    out
}

fn thaw(image: &[u8]) -> State {
    let mut from = Decoder::new(image);
    let state = State::thaw(&mut from).expect("its window is free");
    assert!(from.is_empty());
    state
}

fn begin(setup: &str) -> State {
    let state = State::new(11, LIMITS).expect("there is memory");
    let done = run(&state, setup);
    assert!(done.starts_with("Ok"), "{done}");
    state
}

/// What a piece of code gives, and all that is counted.
fn run(state: &State, code: &str) -> String {
    set_turn(TurnTime {
        now_ms: 5_000,
        wall_ms: 1_700_000_000_000,
    });
    state.budget().refill(GAS);
    let seen = state.evaluate(c"=battery", code);
    format!(
        "{seen:?} gas {} {} bytes {} {} {}",
        state.budget().used(),
        state.budget().exhausted(),
        state.memory_used(),
        state.memory_peak(),
        state.allocation_failures(),
    )
}

fn step(state: &State, number: usize) -> String {
    run(state, &format!("return step({number})"))
}

#[test]
fn a_thawed_state_goes_on_like_one_that_lived_on() {
    let _alone = alone();
    for (name, setup) in BATTERY {
        let state = begin(setup);
        let expected: Vec<String> = (0..STEPS).map(|number| step(&state, number)).collect();
        let last = image(&state);
        drop(state);
        let mut state = begin(setup);
        for (number, expected) in expected.iter().enumerate() {
            let frozen = image(&state);
            drop(state);
            state = thaw(&frozen);
            assert!(image(&state) == frozen, "{name}: the image of an image");
            assert_eq!(step(&state, number), *expected, "{name}, step {number}");
        }
        assert!(image(&state) == last, "{name}: the bytes differ at the end");
        let interesting = expected.iter().any(|text| text != &expected[0]);
        assert!(interesting && expected[0].starts_with("Ok"), "{expected:?}");
    }
}

/// An image needs no state that was made before it, and taking one changes nothing.
#[test]
fn a_state_can_go_on_after_its_image_was_taken() {
    let _alone = alone();
    let (_, setup) = BATTERY[0];
    let state = begin(setup);
    step(&state, 0);
    let frozen = image(&state);
    let expected = [step(&state, 1), step(&state, 2)];
    drop(state);
    for _ in 0..2 {
        let state = thaw(&frozen);
        assert_eq!([step(&state, 1), step(&state, 2)], expected);
    }
}

#[test]
fn numbers_that_look_like_addresses_stay() {
    let _alone = alone();
    let state = State::new(3, LIMITS).unwrap();
    let address = lua_alloc as *const () as usize;
    run(&state, &format!("n, t = {address}, {{{address}}}"));
    let bytes: Vec<String> = address.to_ne_bytes().map(|b| b.to_string()).into();
    run(&state, &format!("s = string.char({})", bytes.join(",")));
    let frozen = image(&state);
    drop(state);
    let state = thaw(&frozen);
    let seen = run(
        &state,
        &format!("return n == {address} and t[1] == n and #s"),
    );
    assert!(seen.starts_with("Ok(\"8\")"), "{seen}");
}

// Another process.

/// Where a child finds what it needs; its presence makes a child.
const FOLDER: &str = "LUNETTE_IMAGE_FOLDER";

/// Not a test of its own: what a child process does.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let mut here = format!("{:p}\n", lua_alloc as *const ());
    for (number, (_, setup)) in BATTERY.iter().enumerate() {
        let state = begin(setup);
        let begun = image(&state);
        drop(state);
        let frozen = std::fs::read(folder.join(format!("{number}.image"))).unwrap();
        let state = thaw(&frozen);
        let mut seen: Vec<String> = (4..STEPS).map(|number| step(&state, number)).collect();
        seen.push(format!("{:?}", crc32c::crc32c(&image(&state))));
        seen.push(format!("{:?}", crc32c::crc32c(&begun)));
        here += &seen.join("\n");
    }
    std::fs::write(folder.join("seen"), here).unwrap();
}

#[test]
fn another_process_wakes_them_at_other_addresses() {
    let _alone = alone();
    let name = format!("lunette-image-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut expected = String::new();
    for (number, (_, setup)) in BATTERY.iter().enumerate() {
        let state = begin(setup);
        let begun = image(&state);
        (0..4).for_each(|number| drop(step(&state, number)));
        std::fs::write(folder.join(format!("{number}.image")), image(&state)).unwrap();
        let mut seen: Vec<String> = (4..STEPS).map(|number| step(&state, number)).collect();
        seen.push(format!("{:?}", crc32c::crc32c(&image(&state))));
        seen.push(format!("{:?}", crc32c::crc32c(&begun)));
        expected += &seen.join("\n");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lua::image::tests::child"])
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let seen = std::fs::read_to_string(folder.join("seen")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let (address, seen) = seen.split_once('\n').unwrap();
    for (seen, expected) in seen.lines().zip(expected.lines()) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.len(), expected.len());
    let randomized = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space");
    if randomized.is_ok_and(|text| text.trim() == "2") {
        let here = format!("{:p}", lua_alloc as *const ());
        assert_ne!(address, here, "the addresses did not differ");
    }
}

// What cannot be carried.

fn refusal(state: &State) -> String {
    state
        .freeze(&mut Vec::new())
        .expect_err("nothing can carry it")
}

#[test]
fn what_points_to_the_unknown_is_refused() {
    unsafe extern "C-unwind" fn nameless(state: *mut ffi::lua_State) -> i32 {
        // SAFETY: called by Lua.
        unsafe { ffi::lua_gettop(state) }
    }
    let _alone = alone();
    let state = State::new(1, LIMITS).unwrap();
    let raw = state.raw();
    // SAFETY: the state is live and has memory for a global.
    let set = |push: &dyn Fn()| unsafe {
        push();
        ffi::lua_setglobal(raw, c"strange".as_ptr());
    };
    // SAFETY: as above; an address is just a value.
    let nameless_value = || unsafe { ffi::lua_pushcfunction(raw, nameless) };
    set(&nameless_value);
    assert!(refusal(&state).contains("no name"), "{}", refusal(&state));
    // SAFETY: as above.
    set(&|| unsafe { ffi::lua_pushlightuserdata(raw, lua_alloc as *mut std::ffi::c_void) });
    assert!(refusal(&state).contains("light userdata"));
    // SAFETY: as above.
    set(&|| unsafe {
        ffi::lua_pushinteger(raw, 1);
        ffi::lua_pushcclosure(raw, nameless, 1);
    });
    assert!(refusal(&state).contains("no name"));
    run(&state, "strange = nil");
    // Garbage is carried like everything else, until it is collected.
    assert!(refusal(&state).contains("no name"));
    // SAFETY: the state is live, and nothing in it can fail to be collected.
    unsafe { ffi::lua_gc(raw, ffi::LUA_GCCOLLECT) };
    let frozen = image(&state);
    drop(state);
    assert!(run(&thaw(&frozen), "return strange").starts_with("Ok(\"nil\")"));
}

#[test]
fn memory_that_nobody_accounts_for_is_refused() {
    let _alone = alone();
    let state = State::new(1, LIMITS).unwrap();
    let heap = state.with_heap(|heap| &raw mut *heap);
    // SAFETY: the heap is live; the block is given back below.
    let block = unsafe { lua_alloc(heap.cast(), std::ptr::null_mut(), 0, 100) };
    assert!(
        refusal(&state).contains("accounted for"),
        "{}",
        refusal(&state)
    );
    // SAFETY: the block from above, of which nothing is kept.
    unsafe { lua_alloc(heap.cast(), block, 100, 0) };
    assert!(state.freeze(&mut Vec::new()).is_ok());
}

#[test]
fn a_state_that_runs_is_refused() {
    unsafe extern "C-unwind" fn freeze_now(raw: *mut ffi::lua_State) -> i32 {
        // SAFETY: called by Lua, with the state as light userdata.
        unsafe {
            let state = &*ffi::lua_touserdata(raw, 1).cast::<State>();
            let refused = state.freeze(&mut Vec::new()).is_err();
            ffi::lua_pushboolean(raw, i32::from(refused));
            1
        }
    }
    let _alone = alone();
    let state = State::new(1, LIMITS).unwrap();
    // SAFETY: the state is live; the call returns before it goes.
    unsafe {
        ffi::lua_pushcfunction(state.raw(), freeze_now);
        ffi::lua_pushlightuserdata(state.raw(), (&raw const state).cast_mut().cast());
        assert_eq!(ffi::lua_pcall(state.raw(), 1, 1, 0), ffi::LUA_OK);
        assert_eq!(ffi::lua_toboolean(state.raw(), -1), 1);
        ffi::lua_settop(state.raw(), 0);
    }
}

// Images of sessions.

fn host() -> Host {
    let files = [("lua/main.lua".to_owned(), b"x = 1".to_vec())];
    let limits = SessionLimits {
        lua_memory: LIMITS.memory,
        ..SessionLimits::default()
    };
    let opening = Opening {
        seed: 9,
        ..Opening::default()
    };
    let site = Site::new(files.into());
    Host::new(SessionId(1), opening, Turn::default(), site, limits)
}

fn session_image(runtime: &mut LuaRuntime, host: &mut Host) -> (LuaSession, Vec<u8>) {
    let mut session = runtime.create_session(SessionId(1), host).unwrap();
    session.begin_event(host.limits.gas);
    session.start(host).unwrap();
    let mut image = Vec::new();
    session.freeze(&mut image).unwrap();
    (session, image)
}

fn problem(runtime: &mut LuaRuntime, image: &[u8]) -> String {
    let thawed = runtime.thaw(SessionId(1), &mut host(), image);
    thawed.expect_err("it is refused")
}

fn with_right_check(mut image: Vec<u8>) -> Vec<u8> {
    let check = crc32c::crc32c(&image[HEAD..]);
    image[MAGIC.len()..HEAD].copy_from_slice(&check.to_le_bytes());
    image
}

#[test]
fn what_is_cut_or_altered_is_refused() {
    let _alone = alone();
    let mut runtime = LuaRuntime::new().unwrap();
    let (session, image) = session_image(&mut runtime, &mut host());
    let claim = session.claim();
    drop(session);
    for length in (0..image.len()).step_by(7).chain([image.len() - 1]) {
        problem(&mut runtime, &image[..length]);
    }
    for at in (0..image.len()).step_by(5).chain(0..64) {
        let mut altered = image.clone();
        altered[at] ^= 1 << (at % 8);
        problem(&mut runtime, &altered);
    }
    let longer = [&image[..], b"x"].concat();
    problem(&mut runtime, &longer);
    assert!(runtime.thaw(SessionId(1), &mut host(), &image).is_ok());
    runtime.forget(&claim);
}

#[test]
fn other_builds_and_versions_say_so() {
    let _alone = alone();
    let mut runtime = LuaRuntime::new().unwrap();
    let (session, image) = session_image(&mut runtime, &mut host());
    let claim = session.claim();
    assert!(image[HEAD..].starts_with(&claim));
    drop(session);
    let mut other = image.clone();
    other[HEAD + 2] ^= 1;
    let other = with_right_check(other);
    assert!(problem(&mut runtime, &other).contains("another build"));
    let mut of_other = claim.clone();
    of_other[2] ^= 1;
    for of_other in [&of_other[..], &claim[..claim.len() - 1], b""] {
        assert!(runtime.keep(of_other).is_err());
    }
    let mut other = image.clone();
    other[HEAD] += 1;
    assert!(problem(&mut runtime, &with_right_check(other)).contains("another version"));
    runtime.forget(&claim);
}

#[test]
fn a_frozen_session_keeps_its_window() {
    let _alone = alone();
    let mut runtime = LuaRuntime::new().unwrap();
    let (session, image) = session_image(&mut runtime, &mut host());
    let claim = session.claim();
    let taken = problem(&mut runtime, &image);
    assert!(taken.contains("in use"), "{taken}");
    drop(session);
    let other = State::new(1, LIMITS).unwrap();
    let thawed = runtime.thaw(SessionId(1), &mut host(), &image);
    drop((other, thawed.expect("its window was kept for it")));
    // As if the image had come from another process.
    runtime.forget(&claim);
    runtime.keep(&claim).unwrap();
    let other = State::new(1, LIMITS).unwrap();
    assert!(runtime.thaw(SessionId(1), &mut host(), &image).is_ok());
    drop(other);
    runtime.forget(&claim);
    let other = State::new(1, LIMITS).unwrap();
    assert!(problem(&mut runtime, &image).contains("in use"));
    drop(other);
}
