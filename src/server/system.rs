//! What only the C library can be asked for: the limit of open descriptors, memory given back.
//! `unsafe` because that is how C is called.

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
