//! What the load generator asks of the system and the standard library does not offer. Unsafe: each function here
//! is one or two libc calls that read or write plain data of the caller's.

use std::io;
use std::os::fd::AsRawFd;

/// A thousand sockets pass the soft limit of most systems; takes the hard one.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read or write the struct they are given.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// What this process has used so far, to show that it is not the client that is measured.
pub fn own_cpu_seconds() -> f64 {
    // SAFETY: rusage is plain data, for which all zeroes is a value; the call only fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Keeps this thread and the first one of process `other` on one processor, or lets both go again.
pub fn share_one_cpu(other: u32, shared: bool) -> io::Result<()> {
    for task in [other as libc::pid_t, 0] {
        // SAFETY: the set is plain data, made and read within its own size.
        let answer = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            let count = if shared {
                1
            } else {
                libc::CPU_SETSIZE as usize
            };
            (0..count).for_each(|cpu| libc::CPU_SET(cpu, &mut set));
            libc::sched_setaffinity(task, size_of::<libc::cpu_set_t>(), &set)
        };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Sockets that are waited for together.
pub struct Waiting(Vec<libc::pollfd>);

impl Waiting {
    pub fn new(sockets: &[impl AsRawFd]) -> Waiting {
        let entry = |fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        Waiting(
            sockets
                .iter()
                .map(|socket| entry(socket.as_raw_fd()))
                .collect(),
        )
    }

    /// Waits up to `timeout_ms` for any; says of each, in their order, whether it has something to read.
    pub fn ready(&mut self, timeout_ms: i32) -> io::Result<impl Iterator<Item = bool>> {
        // SAFETY: the pointer and the length are those of one live vector.
        let count = unsafe {
            libc::poll(
                self.0.as_mut_ptr(),
                self.0.len() as libc::nfds_t,
                timeout_ms,
            )
        };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(self.0.iter().map(|entry| entry.revents != 0))
    }
}
