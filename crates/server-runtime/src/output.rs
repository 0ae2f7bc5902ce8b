//! What a command writes to standard output. A result that could not be written is a failure: a
//! command whose output is redirected to a full disk must not exit with 0.

use std::io::{self, ErrorKind, Write};

/// Writes all of `text` to standard output. A reader that closed the pipe does not want the rest,
/// which is no failure.
///
/// # Errors
///
/// It cannot be written.
pub fn print(text: &str) -> Result<(), Unwritten> {
    write_to(&mut io::stdout().lock(), text)
}

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct Unwritten(io::Error);

fn write_to(output: &mut impl Write, text: &str) -> Result<(), Unwritten> {
    // What is not flushed here is written when the process ends, where a failure goes unnoticed.
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Unwritten(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and fails then, as late as it can.
    struct Disk {
        room: usize,
        error: ErrorKind,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            if taken == 0 { Err(self.error.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            if self.room == 0 { Err(self.error.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn a_result_is_written_whole_or_the_failure_is_known() {
        for (room, error, is_ok) in [
            (6, ErrorKind::StorageFull, true),
            (5, ErrorKind::StorageFull, false),
            (2, ErrorKind::StorageFull, false),
            (0, ErrorKind::StorageFull, false),
            (0, ErrorKind::QuotaExceeded, false),
            (2, ErrorKind::WouldBlock, false),
            (2, ErrorKind::BrokenPipe, true),
        ] {
            let mut disk = Disk { room, error };
            assert_eq!(write_to(&mut disk, "12345").is_ok(), is_ok, "{room} {error}");
        }
        let full = write_to(&mut Disk { room: 0, error: ErrorKind::StorageFull }, "x");
        let message = full.unwrap_err().to_string();
        assert!(message.starts_with("cannot write to standard output: "), "{message}");
    }
}
