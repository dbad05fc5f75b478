//! `lunette passwd`: asks for a password, on the terminal or of what is piped in.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::users::{PASSWORD_BYTES_MAX, UsersError, set_password};

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum PasswdError {
    #[error("the password cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("the two passwords differ: nothing was changed")]
    Differ,
    #[error(transparent)]
    Users(#[from] UsersError),
}

/// Asks for a password and gives it to a user of the file.
///
/// # Errors
/// When it cannot be had, or the file cannot be changed.
pub fn ask_and_set(file: &Path, name: &str) -> Result<(), PasswdError> {
    let stdin = io::stdin();
    let password = match stdin.is_terminal() {
        false => line(&mut stdin.lock())?,
        true => {
            let password = hidden(&format!("Password for {name}: "))?;
            if password != hidden("Again: ")? {
                return Err(PasswdError::Differ);
            }
            password
        }
    };
    Ok(set_password(file, name, &password)?)
}

/// The first line, without its end. One byte more than may be there tells one that is too long.
fn line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(PASSWORD_BYTES_MAX as u64 + 2)
        .read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

/// A line that is typed and not shown.
fn hidden(prompt: &str) -> io::Result<Vec<u8>> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(prompt.as_bytes())?;
    let shown = tcgetattr(&terminal)?;
    let mut quiet = shown.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
    let typed = line(&mut BufReader::new(&terminal));
    tcsetattr(&terminal, OptionalActions::Flush, &shown)?;
    terminal.write_all(b"\n")?;
    typed
}
