//! Images: a session's Lua side written down between two events, to be woken by another process.
//!
//! A Lua state lives in one window of memory at an address of our own choosing (`arena`), so its bytes
//! mean the same wherever that window is free: waking copies them back, whatever the session has been
//! through. All that the state gave out or counted comes along (what the collector has done so far, the
//! order of tables, coroutines in the middle, gas, random numbers), so nothing that a session does later
//! can tell that it was frozen; replaying its recording from the start is what that is tested against.
//!
//! An image is of one build on one kind of machine: another one refuses it, and so does a process in
//! which its window is taken. What it cannot carry it says; nothing is dropped silently. Whoever keeps
//! an image keeps its window with it (`keep`, and `freeze` does so itself) and lets go of both at once
//! (`forget`): for that its claim is enough.
//!
//! ```text
//! image  = magic check claim session heap
//! magic  = 89 4C 4E 49 0D 0A 1A 0A
//! check  = u32, little-endian: CRC32C of all behind it
//! claim  = version build place
//! build  = bytes: what the linker calls this program
//! place  = class_bits index: the window, as in the heap
//! session = pending files, then the kernel (`kernel`); heap: see `alloc::image`
//! ```

mod identity;
mod kernel;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::arena::Place;
use super::kernel::Kernel;
use super::modules::ChunkCache;
use super::state::State;
use crate::core::carry::Carry;
use crate::core::code::{Decoder, push_bytes};

const MAGIC: &[u8; 8] = b"\x89LNI\r\n\x1a\n";
/// Of the format of images.
const VERSION: u64 = 1;
/// Bytes before what the checksum is of.
const HEAD: usize = MAGIC.len() + 4;

const DAMAGED: &str = "the image is damaged";

/// What a session is made of again.
pub(super) struct Thawed {
    pub state: Box<State>,
    pub kernel: Box<Kernel>,
    pub pending: BTreeSet<Box<str>>,
}

/// Appends the image of a session and keeps its window for it.
///
/// # Errors
/// What cannot be carried.
pub(super) fn freeze(
    state: &State,
    kernel: &Kernel,
    pending: &BTreeSet<Box<str>>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let begin = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; 4]);
    push_claim(state, out).ok_or(
        "this program cannot tell its build from others: its linker left no build id \
         (--build-id), or the system has none",
    )?;
    pending.freeze(out);
    kernel::freeze(kernel, out)?;
    state.freeze(out)?;
    let check = crc32c::crc32c(&out[begin + HEAD..]);
    out[begin + MAGIC.len()..begin + HEAD].copy_from_slice(&check.to_le_bytes());
    state.place().keep();
    Ok(())
}

/// Puts a session back.
///
/// # Errors
/// Why that cannot be done here.
pub(super) fn thaw(image: &[u8], chunks: Rc<ChunkCache>) -> Result<Thawed, String> {
    let mut from = open(image)?;
    let pending = BTreeSet::thaw(&mut from).ok_or(DAMAGED)?;
    let kernel = kernel::thaw(&mut from).ok_or(DAMAGED)?;
    let state = Box::new(State::thaw(&mut from)?);
    if !from.is_empty() {
        return Err(DAMAGED.into());
    }
    let mut made = Box::new(Kernel::new(&state, chunks, 0));
    kernel.put_into(&mut made);
    Ok(Thawed {
        state,
        kernel: made,
        pending,
    })
}

/// What an image of this state needs of a process: to be of this build, and to have the state's window free.
/// Empty where there are no images.
pub fn claim(state: &State) -> Vec<u8> {
    let mut claim = Vec::new();
    push_claim(state, &mut claim);
    claim
}

fn push_claim(state: &State, out: &mut Vec<u8>) -> Option<()> {
    let build = identity::build()?;
    VERSION.freeze(out);
    push_bytes(out, build);
    state.place().freeze(out);
    Some(())
}

fn read_claim(from: &mut Decoder<'_>) -> Result<Place, String> {
    if from.varint() != Some(VERSION) {
        return Err("the image is of another version of this program".into());
    }
    let build = from.bytes().ok_or(DAMAGED)?;
    if identity::build() != Some(build) {
        return Err("the image was made by another build of this program".into());
    }
    let place = Place::thaw(from).filter(|place| place.exists());
    Ok(place.ok_or(DAMAGED)?)
}

/// Keeps the window that an image of another process claims: to be called before this one makes states that
/// could take it.
///
/// # Errors
/// When it is no image for this build; then there is nothing to keep.
pub fn keep(claim: &[u8]) -> Result<(), String> {
    read_claim(&mut Decoder::new(claim)).map(Place::keep)
}

/// The image with this claim is thrown away, and its window is free again unless its session lives.
pub fn forget(claim: &[u8]) {
    if let Ok(place) = read_claim(&mut Decoder::new(claim)) {
        place.forget();
    }
}

/// Checks what comes before a session.
fn open(image: &[u8]) -> Result<Decoder<'_>, String> {
    let rest = image.strip_prefix(MAGIC).ok_or("this is no image")?;
    let (check, rest) = rest.split_at_checked(4).ok_or(DAMAGED)?;
    if crc32c::crc32c(rest).to_le_bytes() != *check {
        return Err(DAMAGED.into());
    }
    let mut from = Decoder::new(rest);
    read_claim(&mut from)?;
    Ok(from)
}
