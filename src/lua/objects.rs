//! Object numbers: how a table is named on the wire, `{"obj":N}`.
//!
//! An object has a number as long as a variable refers to it. `ANCHORS` in Lua keeps it alive for
//! that time, so an address is never taken over by another object while it is in here.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use mlua::ffi::{self, lua_State};
use std::ffi::c_int;

use crate::core::carry::Carry;
use crate::core::code::Decoder;

/// Objects that `getObjects` told of without any variable showing them are kept, so that a client
/// can ask on; the oldest go first past this number.
const MOST_PINNED: usize = 1_000;

/// What a shown value refers to.
#[derive(Debug, Default)]
pub(super) enum Held {
    #[default]
    Nothing,
    /// One object.
    One(u64),
    /// An array.
    Array(Box<ShownArray>),
}

impl Held {
    /// The objects it refers to.
    fn numbers(&self) -> &[u64] {
        match self {
            Held::Nothing => &[],
            Held::One(number) => std::slice::from_ref(number),
            Held::Array(array) => &array.objects,
        }
    }
}

/// An array as it was last told.
#[derive(Debug)]
pub(super) struct ShownArray {
    pub json: Vec<u8>,
    pub objects: Vec<u64>,
    /// Addresses of the elements if each of them is an object; their numbers keep them alive.
    pub addresses: Vec<Address>,
}

/// Where an object of Lua is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(pub usize);

impl ShownArray {
    /// Whether the array at `index` has the same objects at the same places. `false` only means
    /// that a closer look is needed.
    ///
    /// # Safety
    /// Inside a protected call; the value at `index` is a table and a stack slot is free.
    pub unsafe fn has_same_objects(&self, l: *mut lua_State, index: c_int) -> bool {
        // SAFETY: as promised by the caller.
        unsafe {
            let length = self.addresses.len();
            super::kernel::pay(l, 4 * length);
            length > 0
                && ffi::lua_rawlen(l, index) == length
                && self.addresses.iter().enumerate().all(|(i, &address)| {
                    ffi::lua_rawgeti(l, index, i as i64 + 1);
                    let same = ffi::lua_topointer(l, -1) as usize == address.0;
                    ffi::lua_settop(l, -2);
                    same
                })
        }
    }
}

/// All numbered objects of a session.
#[derive(Debug)]
pub(super) struct Objects {
    by_address: FxHashMap<usize, u64>,
    /// Address and references.
    by_number: FxHashMap<u64, (usize, u32)>,
    pinned: VecDeque<u64>,
    next: u64,
    anchors: c_int,
}

impl Objects {
    /// None yet; `anchors` is the reference of the table that keeps them alive.
    pub fn new(anchors: c_int) -> Objects {
        Objects {
            by_address: FxHashMap::default(),
            by_number: FxHashMap::default(),
            pinned: VecDeque::new(),
            // Base clients have only ever seen numbers from 2 up.
            next: 2,
            anchors,
        }
    }

    /// The number of the object at `index`, which gets one if it has none.
    ///
    /// # Safety
    /// Inside a protected call; the value at `index` is a table, function, userdata or thread.
    pub unsafe fn number_of(&mut self, l: *mut lua_State, index: c_int) -> u64 {
        // SAFETY: as promised by the caller. Light C functions and light userdata have addresses
        // too and stay valid without being anchored.
        unsafe {
            let address = ffi::lua_topointer(l, index) as usize;
            if let Some(&number) = self.by_address.get(&address) {
                return number;
            }
            let index = ffi::lua_absindex(l, index);
            let number = self.next;
            // Anchored first: if there is no memory for that, nothing has changed.
            super::kernel::push_ref(l, self.anchors);
            ffi::lua_pushvalue(l, index);
            ffi::lua_rawseti(l, -2, number as i64);
            ffi::lua_settop(l, -2);
            self.next += 1;
            self.by_address.insert(address, number);
            self.by_number.insert(number, (address, 0));
            number
        }
    }

    /// The number of the object at this address.
    pub fn number_at(&self, address: usize) -> Option<u64> {
        self.by_address.get(&address).copied()
    }

    /// Where all numbered objects are.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.by_address.keys().copied().map(Address)
    }

    /// Whether the object at this address has a number.
    pub fn has_address(&self, address: usize) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Pushes the object with this number, or nil.
    ///
    /// # Safety
    /// Two stack slots are free.
    pub unsafe fn push(&self, l: *mut lua_State, number: u64) {
        // SAFETY: a number that is not anchored gives nil.
        unsafe {
            super::kernel::push_ref(l, self.anchors);
            ffi::lua_rawgeti(l, -1, number as i64);
            ffi::lua_rotate(l, -2, -1);
            ffi::lua_settop(l, -2);
        }
    }

    /// One more reference.
    pub fn keep(&mut self, number: u64) {
        if let Some((_, uses)) = self.by_number.get_mut(&number) {
            *uses += 1;
        }
    }

    /// One reference less; at none the object loses its number.
    ///
    /// # Safety
    /// Two stack slots are free.
    pub unsafe fn release(&mut self, l: *mut lua_State, number: u64) {
        if let Some((_, uses)) = self.by_number.get_mut(&number) {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                // SAFETY: as promised by the caller.
                unsafe { self.drop_unused(l, number) }
            }
        }
    }

    /// Takes the number away from an object that nothing refers to.
    ///
    /// # Safety
    /// Two stack slots are free. Writing nil needs no memory.
    pub unsafe fn drop_unused(&mut self, l: *mut lua_State, number: u64) {
        let Some(&(address, 0)) = self.by_number.get(&number) else {
            return;
        };
        self.by_number.remove(&number);
        self.by_address.remove(&address);
        // SAFETY: as promised by the caller; writing nil needs no memory.
        unsafe {
            super::kernel::push_ref(l, self.anchors);
            ffi::lua_pushnil(l);
            ffi::lua_rawseti(l, -2, number as i64);
            ffi::lua_settop(l, -2);
        }
    }

    /// Keeps an object that only `getObjects` told of.
    ///
    /// # Safety
    /// Two stack slots are free.
    pub unsafe fn pin(&mut self, l: *mut lua_State, number: u64) {
        self.keep(number);
        self.pinned.push_back(number);
        if self.pinned.len() > MOST_PINNED
            && let Some(oldest) = self.pinned.pop_front()
        {
            // SAFETY: as promised by the caller.
            unsafe { self.release(l, oldest) }
        }
    }

    /// Replaces what a value refers to.
    ///
    /// # Safety
    /// Two stack slots are free.
    pub unsafe fn exchange(&mut self, l: *mut lua_State, held: &mut Held, new: Held) {
        let before = std::mem::replace(held, new);
        let (mut gone, mut come) = (before.numbers(), held.numbers());
        // Most edits of a long array leave its ends as they were.
        let head = gone.iter().zip(come).take_while(|(a, b)| a == b).count();
        (gone, come) = (&gone[head..], &come[head..]);
        let ends = gone.iter().rev().zip(come.iter().rev());
        let tail = ends.take_while(|(a, b)| a == b).count();
        come[..come.len() - tail].iter().for_each(|&n| self.keep(n));
        for &number in &gone[..gone.len() - tail] {
            // SAFETY: as promised by the caller.
            unsafe { self.release(l, number) }
        }
    }
}

impl Carry for Objects {
    fn freeze(&self, out: &mut Vec<u8>) {
        let Objects {
            by_address: _,
            by_number,
            pinned,
            next,
            anchors,
        } = self;
        let mut numbers: Vec<u64> = by_number.keys().copied().collect();
        numbers.sort_unstable();
        numbers.len().freeze(out);
        for number in numbers {
            let (address, uses) = by_number[&number];
            (number, Address(address)).freeze(out);
            uses.freeze(out);
        }
        pinned.freeze(out);
        (*next, *anchors).freeze(out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Objects> {
        let mut objects = Objects::new(0);
        for _ in 0..usize::thaw(from)? {
            let (number, address): (u64, Address) = Carry::thaw(from)?;
            objects.by_address.insert(address.0, number);
            let uses = u32::thaw(from)?;
            objects.by_number.insert(number, (address.0, uses));
        }
        objects.pinned = Carry::thaw(from)?;
        (objects.next, objects.anchors) = Carry::thaw(from)?;
        Some(objects)
    }
}
