//! Where a body ends that comes in chunks ([RFC 9112 §7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1)).

/// What of a chunked body comes next. It need not tell what hyper refuses from what hyper accepts: on a
/// connection where something was refused, no further head is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkScan {
    /// The size of a chunk, which is this as far as it was read.
    Size(u64),
    /// What may follow the size in its line.
    Extension(u64),
    /// The line feed behind the size.
    SizeEnd(u64),
    /// So many bytes of the chunk and of the end of its line.
    Data(u64),
    /// The first byte of a line of the trailer, or of the empty line that ends the body.
    Line,
    /// What follows in a line of the trailer.
    Trailer,
    /// The line feed behind a line of the trailer.
    TrailerEnd,
    /// The line feed that ends the body.
    End,
}

impl ChunkScan {
    /// Before the first chunk.
    pub(crate) const BEGIN: Self = Self::Size(0);

    /// Reads on, and returns what follows the body once that has ended.
    pub(crate) fn read<'a>(&mut self, mut bytes: &'a [u8]) -> Option<&'a [u8]> {
        while let Some((&byte, mut rest)) = bytes.split_first() {
            let digit = char::from(byte).to_digit(16).map(u64::from);
            *self = match (*self, byte, digit) {
                (Self::Size(size), _, Some(digit)) => {
                    Self::Size(size.saturating_mul(16).saturating_add(digit))
                }
                (Self::Size(size) | Self::Extension(size), b'\r', _) => Self::SizeEnd(size),
                (Self::Size(size) | Self::Extension(size), ..) => Self::Extension(size),
                (Self::SizeEnd(0) | Self::TrailerEnd, ..) => Self::Line,
                (Self::SizeEnd(size), ..) => Self::Data(size.saturating_add(2)),
                (Self::Data(left), ..) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    rest = &bytes[skipped..];
                    match left - skipped as u64 {
                        0 => Self::BEGIN,
                        left => Self::Data(left),
                    }
                }
                (Self::Line, b'\r', _) => Self::End,
                (Self::Trailer, b'\r', _) => Self::TrailerEnd,
                (Self::Line | Self::Trailer, ..) => Self::Trailer,
                (Self::End, ..) => return Some(rest),
            };
            bytes = rest;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_its_last_chunk_does_however_it_is_cut() {
        for body in [
            "0\r\n\r\n",
            "1\r\n\n\r\n0\r\n\r\n",
            "A ;name=\"0\"\r\n0123\r\n\r\n89\r\n000;x\r\nName: 0\r\nOther: a\nb\r\n\r\n",
            "00000000000000000002\r\n\r\n\r\n0\r\n\r\n",
        ] {
            let behind = "GET / HTTP/1.1";
            let whole = format!("{body}{behind}");
            for first in 0..whole.len() {
                let mut scan = ChunkScan::BEGIN;
                let (one, two) = whole.as_bytes().split_at(first);
                let followed = match scan.read(one) {
                    Some(rest) => [rest, two].concat(),
                    None => scan.read(two).unwrap().to_vec(),
                };
                assert_eq!(followed, behind.as_bytes(), "{body:?} {first}");
            }
        }
    }

    #[test]
    fn a_body_goes_on_while_its_last_line_has_not_come() {
        for body in [
            "",
            "5",
            "5\r\n12345",
            "0\r\n",
            "0\r\n\r",
            "0\r\na: b\r\n",
            "ffffffffffffffff0\r\n0\r\n\r\n",
        ] {
            assert!(ChunkScan::BEGIN.clone().read(body.as_bytes()).is_none(), "{body:?}");
        }
    }
}
