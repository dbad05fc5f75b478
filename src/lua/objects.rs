//! Object numbers: how a table is named on the wire, `{"obj":N}`.
//!
//! An object has a number as long as a variable refers to it. `ANCHORS` in Lua keeps it alive for
//! that time, so an address is never taken over by another object while it is in here.

use std::collections::VecDeque;
use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use mlua::ffi::{self, lua_State};
use std::ffi::c_int;

use crate::core::carry::Carry;
use crate::core::code::Decoder;
use crate::core::variable::make_room;

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

/// One that has a number.
#[derive(Debug)]
struct Numbered {
    number: u64,
    address: usize,
    uses: u32,
}

/// All numbered objects of a session.
///
/// Found by number and by address through tables of places, which take a few bytes for each: a long list has
/// thousands, and every session its own.
#[derive(Debug)]
pub(super) struct Objects {
    all: Vec<Numbered>,
    by_address: HashTable<u32>,
    by_number: HashTable<u32>,
    pinned: VecDeque<u64>,
    next: u64,
    anchors: c_int,
}

fn hash(number: u64) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(number);
    hasher.finish()
}

impl Objects {
    /// None yet; `anchors` is the reference of the table that keeps them alive.
    pub fn new(anchors: c_int) -> Objects {
        Objects {
            all: Vec::new(),
            by_address: HashTable::new(),
            by_number: HashTable::new(),
            pinned: VecDeque::new(),
            // Base clients have only ever seen numbers from 2 up.
            next: 2,
            anchors,
        }
    }

    fn insert(&mut self, object: Numbered) {
        make_room(&mut self.all, 1);
        self.all.push(object);
        self.list(self.all.len() - 1);
    }

    /// Forgets the object at this place, which the last one takes.
    fn remove(&mut self, at: usize) {
        let last = self.all.len() - 1;
        self.unlist(at);
        if at != last {
            self.unlist(last);
        }
        self.all.swap_remove(at);
        if at != last {
            self.list(at);
        }
    }

    /// Puts a place into both tables.
    fn list(&mut self, at: usize) {
        let all = &self.all;
        let address = |&at: &u32| hash(all[at as usize].address as u64);
        let number = |&at: &u32| hash(all[at as usize].number);
        let at = at as u32;
        self.by_address.insert_unique(address(&at), at, address);
        self.by_number.insert_unique(number(&at), at, number);
    }

    /// Takes a place out of both tables.
    fn unlist(&mut self, at: usize) {
        let Numbered {
            number, address, ..
        } = self.all[at];
        let is_it = |&other: &u32| other as usize == at;
        if let Ok(entry) = self.by_address.find_entry(hash(address as u64), is_it) {
            entry.remove();
        }
        if let Ok(entry) = self.by_number.find_entry(hash(number), is_it) {
            entry.remove();
        }
    }

    fn find(&self, number: u64) -> Option<usize> {
        let is_it = |&at: &u32| self.all[at as usize].number == number;
        let at = self.by_number.find(hash(number), is_it)?;
        Some(*at as usize)
    }

    /// Bytes that they take beside Lua's.
    pub fn bytes(&self) -> usize {
        let tables = self.by_address.allocation_size() + self.by_number.allocation_size();
        self.all.capacity() * size_of::<Numbered>() + tables
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
            if let Some(number) = self.number_at(address) {
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
            self.insert(Numbered {
                number,
                address,
                uses: 0,
            });
            number
        }
    }

    /// The number of the object at this address.
    pub fn number_at(&self, address: usize) -> Option<u64> {
        let is_it = |&at: &u32| self.all[at as usize].address == address;
        let at = self.by_address.find(hash(address as u64), is_it)?;
        Some(self.all[*at as usize].number)
    }

    /// Where all numbered objects are.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.all.iter().map(|object| Address(object.address))
    }

    /// Whether the object at this address has a number.
    pub fn has_address(&self, address: usize) -> bool {
        self.number_at(address).is_some()
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
        if let Some(at) = self.find(number) {
            self.all[at].uses += 1;
        }
    }

    /// One reference less; at none the object loses its number.
    ///
    /// # Safety
    /// Two stack slots are free.
    pub unsafe fn release(&mut self, l: *mut lua_State, number: u64) {
        if let Some(at) = self.find(number) {
            let uses = &mut self.all[at].uses;
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
        let Some(at) = self.find(number).filter(|&at| self.all[at].uses == 0) else {
            return;
        };
        self.remove(at);
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
            all,
            by_address: _,
            by_number: _,
            pinned,
            next,
            anchors,
        } = self;
        let mut sorted: Vec<&Numbered> = all.iter().collect();
        sorted.sort_unstable_by_key(|object| object.number);
        sorted.len().freeze(out);
        for object in sorted {
            (object.number, Address(object.address)).freeze(out);
            object.uses.freeze(out);
        }
        pinned.freeze(out);
        (*next, *anchors).freeze(out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Objects> {
        let mut objects = Objects::new(0);
        for _ in 0..usize::thaw(from)? {
            let (number, Address(address)) = Carry::thaw(from)?;
            let uses = u32::thaw(from)?;
            if objects.find(number).is_some() || objects.has_address(address) {
                return None;
            }
            objects.insert(Numbered {
                number,
                address,
                uses,
            });
        }
        objects.pinned = Carry::thaw(from)?;
        (objects.next, objects.anchors) = Carry::thaw(from)?;
        Some(objects)
    }
}
