//! SIGTERM and SIGINT: the first asks to stop, the second stops at once.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::net::UnixStream;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// What a shell reports for a process that a second SIGINT ended.
const EXIT_AT_ONCE: i32 = 130;

/// Makes signals readable: the returned stream becomes so with the first one.
///
/// # Errors
/// When the operating system lets no handler be set.
pub fn listen() -> io::Result<UnixStream> {
    let (reader, writer) = StdStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    // Shared with signal handlers, which is what the one `Arc` of this program is for.
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the handler that exits must see the flag as it was before this signal.
        flag::register_conditional_shutdown(signal, EXIT_AT_ONCE, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
        low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    Ok(UnixStream::from_std(reader))
}
