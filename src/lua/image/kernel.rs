//! The kernel's part of an image: all that is not made anew with every event.

use std::ptr::NonNull;

use crate::core::carry::{Carry, carry};
use crate::core::code::{Decoder, push_signed, push_varint};
use crate::core::runs::Started;
use crate::core::variable::Slot;
use crate::lua::arena;
use crate::lua::bind::Binding;
use crate::lua::cell::{Cell, Quick, Seen, Source, Wrapped};
use crate::lua::determinism::{address_of, number_of};
use crate::lua::kernel::{Kernel, Tables};
use crate::lua::keys::Keys;
use crate::lua::objects::{Address, Held, Objects, ShownArray};
use crate::lua::route::{Invocation, Operand, Origin, Route, Special, Step};

/// What a kernel keeps between two events.
pub(super) struct Kept {
    cells: Vec<Cell>,
    quick: Vec<Quick>,
    objects: Objects,
    keys: Keys,
    binding: Binding,
    tables: Tables,
    slot: Slot,
    number: i64,
    gas_left: u64,
    detection: u64,
    gas_for_detection: u64,
    gas_for_upkeep: u64,
    exhausted: bool,
    gas_used: u64,
    mutations: bool,
    failures: Vec<(String, String)>,
    unloading: Vec<Box<str>>,
    ending: Vec<Started>,
}

/// Appends what is kept.
///
/// # Errors
/// When it cannot be carried.
pub(super) fn freeze(kernel: &Kernel, out: &mut Vec<u8>) -> Result<(), String> {
    let Kernel {
        raw: _,
        state: _,
        host,
        cells,
        quick,
        objects,
        keys,
        binding,
        tables,
        chunks: _,
        call,
        // Buffers, and what goes from one call of an event to the next.
        scratch: _,
        scratch_objects: _,
        encoded: _,
        code: _,
        said: _,
        chain: _,
        fields: _,
        error: _,
        names: _,
        type_text: _,
        decoded: _,
        order: _,
        gas_left,
        detection,
        gas_for_detection,
        gas_for_upkeep,
        exhausted,
        gas_used,
        mutations,
        collector_stopped,
        failures,
        unloading,
        ending,
    } = kernel;
    if !host.is_null() || *collector_stopped {
        return Err("an event of the session runs".into());
    }
    if objects.addresses().any(|address| !address.can_be_carried()) {
        return Err("a page shows a function of the program that has no name".into());
    }
    cells.freeze(out);
    quick.freeze(out);
    objects.freeze(out);
    keys.freeze(out);
    binding.freeze(out);
    tables.freeze(out);
    (call.slot, call.number).freeze(out);
    (*gas_left, *detection, *gas_for_detection, *gas_for_upkeep).freeze(out);
    (*exhausted, *gas_used).freeze(out);
    mutations.freeze(out);
    failures.freeze(out);
    unloading.freeze(out);
    ending.freeze(out);
    Ok(())
}

/// Reads what [`freeze`] wrote.
pub(super) fn thaw(from: &mut Decoder<'_>) -> Option<Kept> {
    let cells = Carry::thaw(from)?;
    let quick = Carry::thaw(from)?;
    let objects = Carry::thaw(from)?;
    let keys = Carry::thaw(from)?;
    let binding = Carry::thaw(from)?;
    let tables = Carry::thaw(from)?;
    let (slot, number) = Carry::thaw(from)?;
    let (gas_left, detection, gas_for_detection, gas_for_upkeep) = Carry::thaw(from)?;
    let (exhausted, gas_used) = Carry::thaw(from)?;
    Some(Kept {
        cells,
        quick,
        objects,
        keys,
        binding,
        tables,
        slot,
        number,
        gas_left,
        detection,
        gas_for_detection,
        gas_for_upkeep,
        exhausted,
        gas_used,
        mutations: Carry::thaw(from)?,
        failures: Carry::thaw(from)?,
        unloading: Carry::thaw(from)?,
        ending: Carry::thaw(from)?,
    })
}

impl Kept {
    pub fn put_into(self, kernel: &mut Kernel) {
        kernel.cells = self.cells;
        kernel.quick = self.quick;
        kernel.objects = self.objects;
        kernel.keys = self.keys;
        kernel.binding = self.binding;
        kernel.tables = self.tables;
        kernel.call.slot = self.slot;
        kernel.call.number = self.number;
        kernel.gas_left = self.gas_left;
        kernel.detection = self.detection;
        kernel.gas_for_detection = self.gas_for_detection;
        kernel.gas_for_upkeep = self.gas_for_upkeep;
        kernel.exhausted = self.exhausted;
        kernel.gas_used = self.gas_used;
        kernel.mutations = self.mutations;
        kernel.failures = self.failures;
        kernel.unloading = self.unloading;
        kernel.ending = self.ending;
    }
}

carry!(enum Source { 0 => Nothing, 1 => Held, 2 => Path });
carry!(struct Seen { held, type_name });
carry!(struct Wrapped { type_name, windowed, raw, asked_in });
carry!(struct Cell { origin, source, prefix, last, special, action, seen, wrapped, failed });
carry!(struct Quick { parent, key });
carry!(struct Tables {
    values, keys, aux, anchors, functions, types, loaded, registered, stored, owners, empty, session,
    handle, io, processes, process, upload,
});
carry!(enum Held { 0 => Nothing, 1 => One(number), 2 => Array(array) });
carry!(struct ShownArray { json, objects, addresses });
carry!(enum Origin { 0 => Nowhere, 1 => Variable(slot), 2 => Named(key) });
carry!(enum Step { 0 => Field(key), 1 => Index(index), 2 => Call(key), 3 => CallWith(at) });
carry!(struct Special { not, calls });
carry!(struct Invocation { key, arguments, takes_written });
carry!(struct Route { origin, steps, special });
carry!(enum Operand {
    0 => Nil, 1 => Boolean(flag), 2 => Integer(number), 3 => Float(number), 4 => Text(key),
    5 => Path(route), 6 => Written,
});

impl Address {
    fn can_be_carried(self) -> bool {
        arena::offset(self.0).is_some() || number_of(self.0).is_some()
    }
}

/// In a window it is the same everywhere; else it is that of a function, which goes by its number.
impl Carry for Address {
    fn freeze(&self, out: &mut Vec<u8>) {
        match arena::offset(self.0) {
            Some(_) => push_varint(out, (self.0 as u64) << 1),
            None => push_varint(out, u64::from(number_of(self.0).unwrap_or(0)) << 1 | 1),
        }
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Address> {
        let value = from.varint()?;
        if value & 1 == 0 {
            return Some(Address((value >> 1) as usize));
        }
        address_of(u32::try_from(value >> 1).ok()?).map(Address)
    }
}

/// An interned text of the state.
impl Carry for NonNull<std::ffi::c_void> {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_varint(out, self.as_ptr() as u64);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Self> {
        NonNull::new(std::ptr::with_exposed_provenance_mut(
            from.varint()? as usize
        ))
    }
}

impl Carry for f64 {
    fn freeze(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<f64> {
        from.u64().map(f64::from_bits)
    }
}

/// References into the registry.
impl Carry for i32 {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_signed(out, (*self).into());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<i32> {
        from.signed()?.try_into().ok()
    }
}
