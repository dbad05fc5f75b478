//! Signals. SIGTERM and SIGINT: the first asks to stop, the second stops at once. SIGHUP asks to read settings and
//! site again, SIGUSR2 for statistics in the log.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::{flag, low_level};

/// What a shell reports for a process that a second SIGINT ended.
const EXIT_AT_ONCE: i32 = 130;

/// What signals ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub stop: bool,
    pub reload: bool,
    pub statistics: bool,
}

/// Signals as something that can be waited for and read.
#[derive(Debug)]
pub struct Signals {
    /// Readable when there was one.
    pub stream: UnixStream,
    // Shared with signal handlers, which is what the `Arc`s of this program are for.
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    statistics: Arc<AtomicBool>,
}

impl Signals {
    /// Sets the handlers.
    ///
    /// # Errors
    /// When the operating system lets none be set.
    pub fn listen() -> io::Result<Signals> {
        let (reader, writer) = StdStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let reload = Arc::new(AtomicBool::new(false));
        let statistics = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the handler that exits must see the flag as it was before this signal.
            flag::register_conditional_shutdown(signal, EXIT_AT_ONCE, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&reload))?;
        flag::register(SIGUSR2, Arc::clone(&statistics))?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR2] {
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Signals {
            stream: UnixStream::from_std(reader),
            stop,
            reload,
            statistics,
        })
    }

    /// What was asked for since this was called last; to stop is asked for good.
    pub fn take(&mut self) -> Asked {
        let mut bytes = [0; 64];
        // More than one buffer full of signals is asked for again.
        let _ = self.stream.read(&mut bytes);
        Asked {
            stop: self.stop.load(Ordering::SeqCst),
            reload: self.reload.swap(false, Ordering::SeqCst),
            statistics: self.statistics.swap(false, Ordering::SeqCst),
        }
    }
}
