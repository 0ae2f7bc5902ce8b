//! The packed form of the questions and verdicts of `POST /validateToken`, spoken between our own
//! services in place of JSON: both directions, for both sides. `docs/packed-validation.md` fixes the
//! layout.
//!
//! Numbers are little-endian and stand in fixed places, before the texts. What cannot be read whole is
//! not read at all: it is neither a yes nor a no.

mod question;
#[cfg(test)]
mod tests;
mod verdict;

pub use question::{HEAD, Question, open_request, read_request};
pub use verdict::{read_verdicts, write_verdicts};

/// The media type of both.
pub const MEDIA_TYPE: &str = "application/vnd.reinflate.validation";

/// The layout that is written and read here.
const VERSION: u8 = 1;

/// Why a body is no packed question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackedError {
    /// It is of another version, or says what this one has no word for: as good as another media type.
    Unknown,
    /// It breaks off, something follows it, or a text in it is no UTF-8.
    Malformed,
}

/// Writes the head of a body: what follows are so many questions or verdicts. A number that does not
/// fit makes a body that nobody can read.
fn write_head(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&[VERSION, 0]);
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
}

/// Writes the length of what follows. One that does not fit is longer than any body, so that nobody
/// reads what follows for something else.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&length(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// What is not read yet. Whatever reads from it takes what it has read away, and gives `None` where
/// there is less than that.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    #[inline]
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A length, or how many follow.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    /// What a length stands before.
    #[inline]
    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.bytes(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.part()?).ok()
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
