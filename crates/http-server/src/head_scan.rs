//! Finds heads of requests that hyper's parser accepts and a proxy may read differently.
//!
//! httparse takes a line feed without a carriage return for the end of a line, which RFC 9112 §2.2
//! leaves to the recipient. A proxy in front of us that does not could be made to see one request where
//! we see two. Such a head is refused with 400; hyper has no option for it.

/// Looks for line feeds without a carriage return in a request's head.
#[derive(Default)]
pub(crate) struct HeadScan {
    part: Part,
    previous: u8,
    /// Whether the current line has had anything but carriage returns.
    written: bool,
    /// Whether a line of the head ends without a carriage return.
    pub(crate) bare_line_feed: bool,
}

/// Which part of a request's head is being read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// Empty lines before the request line are allowed, and end nothing.
    #[default]
    Before,
    Lines,
    Over,
}

impl HeadScan {
    /// Reads what follows of a head.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while self.part != Part::Over && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let line = &bytes[..end.unwrap_or(bytes.len())];
            self.written = self.written || line.iter().any(|byte| *byte != b'\r');
            self.previous = line.last().copied().unwrap_or(self.previous);
            let Some(end) = end else { return };
            self.end_line();
            bytes = &bytes[end + 1..];
        }
    }

    fn end_line(&mut self) {
        self.bare_line_feed |= self.previous != b'\r';
        self.part = match (self.part, self.written) {
            (_, true) => Part::Lines,
            (Part::Before, false) => Part::Before,
            (Part::Lines | Part::Over, false) => Part::Over,
        };
        (self.written, self.previous) = (false, b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(chunks: &[&[u8]]) -> bool {
        let mut scan = HeadScan::default();
        for chunk in chunks {
            scan.read(chunk);
        }
        scan.bare_line_feed
    }

    #[test]
    fn a_line_feed_without_a_carriage_return_is_noticed_in_the_head_only() {
        assert!(!bare(&[b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n{\n\"a\":\n1}"]));
        assert!(!bare(&[b"GET / HTTP/1.1\r", b"\nA: b\r\n\r", b"\n\n\n"]));
        assert!(bare(&[b"GET / HTTP/1.1\nA: b\r\n\r\n"]));
        assert!(bare(&[b"GET / HTTP/1.1\r\nA: b", b"\n\r\n"]));
        assert!(bare(&[b"GET / HTTP/1.1\r\nA: b\r\n\n"]));
    }
}
