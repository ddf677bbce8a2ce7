//! File descriptors: how many there are, and how one sees that none is left.

use std::{error::Error, io};

use pr_core::{BackendError, ErrorKind};

/// What is kept for everything that is no connection: files, look-ups of names, runtimes, standard
/// streams, and addresses that are tried side by side.
#[cfg(unix)]
const RESERVE: u64 = 64;

/// Where the system has no such limit.
const WITHOUT_A_LIMIT: usize = 16_384;

/// Three quarters of what the process's limit leaves after the reserve, which is 64 or half of the
/// limit, whichever is less.
#[cfg(unix)]
pub(super) fn default_max_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let Some(limit) = limit.current else {
        return WITHOUT_A_LIMIT;
    };
    let left = limit - RESERVE.min(limit / 2);
    let most = usize::try_from(left / 4 * 3).unwrap_or(WITHOUT_A_LIMIT);
    most.clamp(1, WITHOUT_A_LIMIT)
}

#[cfg(not(unix))]
pub(super) fn default_max_connections() -> usize {
    WITHOUT_A_LIMIT
}

/// Whether this error came about because the process, or the machine, could open nothing more.
pub(crate) fn is_shortage(error: &BackendError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(is_shortage_itself) {
            return true;
        }
        cause = error.source();
    }
    // Resolvers need not say why they could not ask anybody, nor those who load CA certificates why
    // they found none.
    matches!(error.kind(), ErrorKind::Dns | ErrorKind::Config) && has_none_left()
}

/// Whether the process, or the machine, can open nothing more. A pipe needs nothing else.
pub(crate) fn has_none_left() -> bool {
    io::pipe().is_err()
}

/// What the system says when nothing more can be opened.
pub(crate) fn none_left() -> io::Error {
    io::Error::from_raw_os_error(NONE_LEFT[0])
}

/// The same for an error of the system.
pub(crate) fn is_shortage_itself(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| NONE_LEFT.contains(&code))
}

/// None for the process, none for the machine, no memory for another socket.
#[cfg(unix)]
const NONE_LEFT: [i32; 3] = [
    rustix::io::Errno::MFILE.raw_os_error(),
    rustix::io::Errno::NFILE.raw_os_error(),
    rustix::io::Errno::NOBUFS.raw_os_error(),
];

/// `WSAEMFILE`, `ERROR_TOO_MANY_OPEN_FILES`, `WSAENOBUFS`.
#[cfg(not(unix))]
const NONE_LEFT: [i32; 3] = [10_024, 4, 10_055];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_seen_through_what_is_wrapped_around_it() {
        let wrapped = |code| {
            let cause = io::Error::from_raw_os_error(code);
            let inner = BackendError::new(ErrorKind::Connect, "no connection").with_source(cause);
            BackendError::new(ErrorKind::Proxy, "no proxy").with_source(inner)
        };
        for code in NONE_LEFT {
            assert!(is_shortage(&wrapped(code)), "{code}");
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let refused = BackendError::new(ErrorKind::Connect, "refused").with_source(refused);
        assert!(!is_shortage(&refused));
    }
}
