//! The inner loop of detection in the design that was chosen and in those that were not: 40,000 fields that have not
//! changed, four in each of 10,000 objects with a prototype, the same objects for all.
//!
//! `unsafe`: the designs that use Lua's C interface directly are what is compared.

use std::cell::Cell;
use std::ffi::c_int;
use std::hint::black_box;

use mlua::ffi::{self, lua_State};
use mlua::{FromLua, Function, Lua, LuaString, Table, Value};

use crate::Harness;

const FIELDS: [&str; 4] = ["name", "count", "done", "price"];

const DATA: &str = "
local tables = ...
local parents, keys, values, fields = {}, {}, {}, { 'name', 'count', 'done', 'price' }
local Row = {}
Row.__index = Row
for i = 1, tables do
  local row = setmetatable({ name = 'row ' .. i, count = i, done = false, price = i / 4 }, Row)
  for _, field in ipairs(fields) do
    local at = #keys + 1
    parents[at], keys[at], values[at] = row, field, row[field]
  end
end
return parents, keys, values";

/// Returns how many differ.
const KERNEL: &str = "
local parents, keys, values, count = ...
return function()
  local changed = 0
  for i = 1, count do
    if parents[i][keys[i]] ~= values[i] then changed = changed + 1 end
  end
  return changed
end";

/// The same, but tables are told from the rest, since what is in an array counts, and no `__eq` has a say.
const CAREFUL_KERNEL: &str = "
local parents, keys, values, count = ...
local rawequal, type = rawequal, type
return function()
  local changed = 0
  for i = 1, count do
    local value = parents[i][keys[i]]
    if not rawequal(value, values[i]) or type(value) == 'table' then changed = changed + 1 end
  end
  return changed
end";

/// What the C functions look at.
#[derive(Clone, Copy, Default)]
struct Loop {
    tables: [c_int; 3],
    at: c_int,
    count: c_int,
    changed: c_int,
}

thread_local! {
    static LOOP: Cell<Loop> = Cell::default();
}

pub fn run(harness: &Harness) {
    let tables = if harness.smoke { 100 } else { 10_000 };
    let count = tables * FIELDS.len();
    let lua = Lua::new();
    let data: Data = lua.load(DATA).call(tables).expect("the data can be made");
    in_c(harness, &lua, &data, count);
    in_lua(harness, &lua, &data, count);
    through_mlua(harness, &data, count);
    bare_call(harness, &lua, count);
}

type Data = (Table, Table, Table);

fn in_c(harness: &Harness, lua: &Lua, data: &Data, count: usize) {
    let state = Cell::new(std::ptr::null_mut());
    // SAFETY: `luaL_ref` pops what was pushed; as many numbers take its place.
    let kept = unsafe {
        lua.exec_raw::<(i32, i32, i32)>((&data.0, &data.1, &data.2), |l| {
            state.set(l);
            let mut kept = [0; 3];
            for at in (0..3).rev() {
                kept[at] = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
            }
            kept.iter().for_each(|&k| ffi::lua_pushinteger(l, k.into()));
        })
        .expect("references can be kept")
    };
    let l = state.get();
    let start = Loop {
        tables: [kept.0, kept.1, kept.2],
        count: count as c_int,
        ..Loop::default()
    };
    let name = "inner loop: one protected C call, as in detection";
    harness.bench(name, count, || {
        LOOP.set(start);
        // SAFETY: the state is live and nothing of it runs.
        unsafe { protected(l, look_at_all) };
        assert_eq!(LOOP.get().changed, 0);
    });
    harness.bench("inner loop: a protected C call for each", count, || {
        for at in 1..=start.count {
            LOOP.set(Loop { at, ..start });
            // SAFETY: as above.
            unsafe { protected(l, look_at_one) };
            assert_eq!(LOOP.get().changed, 0);
        }
    });
}

fn in_lua(harness: &Harness, lua: &Lua, (parents, keys, values): &Data, count: usize) {
    for (name, source) in [
        ("inner loop: a Lua function over parallel arrays", KERNEL),
        (
            "inner loop: the same, as careful as detection",
            CAREFUL_KERNEL,
        ),
    ] {
        let kernel: Function = lua
            .load(source)
            .call((parents, keys, values, count))
            .expect("the kernel is good");
        harness.bench(name, count, || {
            assert_eq!(kernel.call::<usize>(()).expect("it cannot fail"), 0);
        });
    }
}

/// What detection of a method path cannot do without.
fn bare_call(harness: &Harness, lua: &Lua, count: usize) {
    let source = "
local app, count = { two = function() return 2 end }, ...
return function() for i = 1, count do local two = app:two() end end";
    let made = lua.load(source).call(count);
    let calls: Function = made.expect("the loop is good");
    harness.bench("inner loop: a bare call of a method", count, || {
        calls.call::<()>(()).expect("it cannot fail");
    });
}

fn through_mlua(harness: &Harness, (parents, keys, values): &Data, count: usize) {
    fn all<T: FromLua>(table: &Table) -> Vec<T> {
        let values = table.sequence_values();
        values.map(|v| v.expect("what was put in")).collect()
    }
    let parents: Vec<Table> = all(parents);
    let keys: Vec<LuaString> = all(keys);
    let values: Vec<Value> = all(values);
    harness.bench("inner loop: mlua's Table::get for each", count, || {
        for ((parent, key), old) in parents.iter().zip(&keys).zip(&values) {
            let new: Value = parent.get(key).expect("a field");
            assert!(black_box(new == *old));
        }
    });
}

/// # Safety
/// The state is live, nothing of it runs, and the function holds nothing to drop.
unsafe fn protected(l: *mut lua_State, function: ffi::lua_CFunction) {
    // SAFETY: light C functions need no memory.
    unsafe {
        ffi::lua_pushcfunction(l, function);
        assert_eq!(ffi::lua_pcall(l, 0, 0, 0), ffi::LUA_OK);
    }
}

unsafe extern "C-unwind" fn look_at_all(l: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; the tables were kept before.
    unsafe {
        let mut state = LOOP.get();
        push_tables(l, &state);
        for at in 1..=state.count {
            state.changed += c_int::from(differs(l, at));
        }
        LOOP.set(state);
        0
    }
}

unsafe extern "C-unwind" fn look_at_one(l: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        let mut state = LOOP.get();
        push_tables(l, &state);
        state.changed += c_int::from(differs(l, state.at));
        LOOP.set(state);
        0
    }
}

unsafe fn push_tables(l: *mut lua_State, state: &Loop) {
    // SAFETY: a C function has room for this.
    unsafe {
        for table in state.tables {
            ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, table.into());
        }
    }
}

/// The calls that `lua::read` makes for a field.
unsafe fn differs(l: *mut lua_State, at: c_int) -> bool {
    // SAFETY: the tables are at 1, 2 and 3.
    unsafe {
        ffi::lua_rawgeti(l, 1, at.into());
        ffi::lua_rawgeti(l, 2, at.into());
        ffi::lua_gettable(l, 4);
        ffi::lua_rawgeti(l, 3, at.into());
        let same = ffi::lua_rawequal(l, 5, -1) != 0;
        ffi::lua_settop(l, 3);
        !same
    }
}
