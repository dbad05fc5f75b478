//! What only the C library can be asked for: the limit of open descriptors, memory given back, a
//! descriptor that was passed on, the time of day where the machine is.
//! `unsafe` because that is how C is called.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Raises the soft limit as far as `wanted` and the hard limit allow. Returns the limit in force.
pub fn raise_descriptor_limit(wanted: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid structure for the call to fill.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return 0;
    }
    let before = limit.rlim_cur;
    if before >= wanted {
        return before;
    }
    limit.rlim_cur = wanted.min(limit.rlim_max);
    // SAFETY: `limit` is a valid structure that the call only reads.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => limit.rlim_cur,
        _ => before,
    }
}

/// Descriptors that are open; a guess where the system does not tell.
pub fn descriptors_in_use() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(32, Iterator::count)
}

/// The socket that whoever started the server had listening already (`LISTEN_FDS`), if it was meant for this process.
///
/// # Errors
/// When it passed on what is no listening TCP socket, or more than one.
pub fn passed_listener(
    variable: impl Fn(&str) -> Option<OsString>,
) -> io::Result<Option<TcpListener>> {
    const FIRST: RawFd = 3;
    let number = |name: &str| -> Option<u32> { variable(name)?.to_str()?.parse().ok() };
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(None);
    }
    let wrong = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
    match number("LISTEN_FDS") {
        None | Some(0) => return Ok(None),
        Some(1) => {}
        Some(_) => {
            return Err(wrong(
                "pass on one socket: this server listens at one address",
            ));
        }
    }
    // SAFETY: whoever set the variables opened this descriptor for this process, which does not use it elsewhere:
    // it is looked for once, before anything else is opened.
    let passed = unsafe { OwnedFd::from_raw_fd(FIRST) };
    let listens = rustix::net::sockopt::socket_acceptconn(&passed).unwrap_or(false);
    let listener = TcpListener::from(passed);
    match (listens, listener.local_addr()) {
        (true, Ok(_)) => {
            rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
            Ok(Some(listener))
        }
        _ => Err(wrong(
            "the socket that was passed on does not listen for TCP connections",
        )),
    }
}

/// Of a limited address space this part is for those who are there already, one in so many bytes: a session that grows is
/// told that there is no more, but what the server itself lacks ends it.
const KEPT_FREE: u64 = 4;

/// Whether the address space that the process may have (`ulimit -v`) is nearly used up.
pub fn is_address_space_short() -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let Some(limit) = limit else {
        return false;
    };
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<u64>().ok());
    let used = pages.unwrap_or(0) * rustix::param::page_size() as u64;
    used > limit - limit / KEPT_FREE
}

/// Has the child of this command killed when the server is gone, however that ended, and lets it have
/// no descriptor but its standard ones.
pub fn confine(command: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only system calls are made, which allocate nothing.
    unsafe {
        command.pre_exec(|| {
            // Also what the server itself was given from outside. Old kernels do not know how.
            libc::syscall(
                libc::SYS_close_range,
                3 as libc::c_uint,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
            match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

/// Returns free memory to the operating system. The allocator keeps what lies below anything still
/// in use; after hundreds of sessions have ended that is most of what they took. Takes about a
/// millisecond for each ten MB.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no arguments but a size, no conditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The present moment as syslog writes it, `Jan  2 15:04:05`, in the machine's time zone.
pub fn local_stamp() -> String {
    let mut now: libc::time_t = 0;
    // SAFETY: all zeroes is a valid value of a structure of numbers and a pointer that may be null.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to valid places for the calls to fill. Nothing here changes the environment, which the
    // second reads (`TZ`).
    unsafe {
        libc::time(&raw mut now);
        libc::localtime_r(&raw const now, &raw mut local);
    }
    let month = MONTHS[usize::try_from(local.tm_mon).unwrap_or(0) % MONTHS.len()];
    format!(
        "{month} {:2} {:02}:{:02}:{:02}",
        local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec
    )
}
