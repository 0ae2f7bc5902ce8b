//! Finds heads of requests that hyper's parser accepts and a proxy may read differently.
//!
//! httparse takes a line feed without a carriage return for the end of a line, which RFC 9112 §2.2
//! leaves to the recipient. A proxy in front of us that does not could be made to see one request where
//! we see two. Such a head is refused with 400; hyper has no option for it.
//!
//! Requests may follow one another without a pause, so that a read ends anywhere in a head. Each byte of a
//! connection is scanned for that reason, but for bodies, which end where their heads or their chunks say.

use crate::chunk_scan::ChunkScan;

/// Looks for line feeds without a carriage return in the heads of a connection's requests.
#[derive(Default)]
pub(crate) struct HeadScan {
    part: Part,
    previous: u8,
    /// Whether the current line has had anything but carriage returns.
    written: bool,
    line: LineStart,
    body: Body,
    /// How many heads were read to their end.
    heads: u64,
    /// The number of the first head, from 0, that is not to be accepted.
    malformed: Option<u64>,
}

/// Which part of a request is being read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// Empty lines before the request line are allowed, and end nothing.
    #[default]
    Before,
    Lines,
    /// So many bytes of a body are still to come.
    Body(u64),
    Chunks(ChunkScan),
    /// Nothing that is served: the head was not to be accepted.
    Refused,
}

/// What a head says of its body.
#[derive(Clone, Copy, Default)]
enum Body {
    #[default]
    None,
    Length(u64),
    Chunked,
    /// What is said of its length cannot be read.
    Unreadable,
}

/// As much of a line as is needed to read the length of a body: `content-length: ` and 16 digits.
#[derive(Default)]
struct LineStart {
    bytes: [u8; 32],
    /// How long the line is, though it may not all be there.
    length: usize,
}

impl HeadScan {
    /// Reads what follows on the connection.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.part {
                Part::Refused => return,
                Part::Body(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    self.part = match left - skipped as u64 {
                        0 => Part::Before,
                        left => Part::Body(left),
                    };
                    bytes = &bytes[skipped..];
                }
                Part::Chunks(mut chunks) => {
                    let rest = chunks.read(bytes);
                    self.part = rest.map_or(Part::Chunks(chunks), |_| Part::Before);
                    bytes = rest.unwrap_or_default();
                }
                Part::Before | Part::Lines => {
                    let end = memchr::memchr(b'\n', bytes);
                    let line = &bytes[..end.unwrap_or(bytes.len())];
                    self.written = self.written || line.iter().any(|byte| *byte != b'\r');
                    self.previous = line.last().copied().unwrap_or(self.previous);
                    let Some(end) = end else { return self.line.add(line) };
                    // Most lines come in one piece.
                    let body = if self.line.length == 0 {
                        body_of(line)
                    } else {
                        self.line.add(line);
                        self.line.body()
                    };
                    self.end_line(body);
                    bytes = &bytes[end + 1..];
                }
            }
        }
    }

    /// The number of the first request, from 0, whose head is not to be accepted.
    pub(crate) const fn malformed(&self) -> Option<u64> {
        self.malformed
    }

    /// Whether a head has begun and not ended.
    pub(crate) fn is_within_head(&self) -> bool {
        self.part == Part::Lines
    }

    /// A line has ended, which says this of the body, if anything.
    fn end_line(&mut self, body: Option<Body>) {
        if self.previous != b'\r' {
            self.malformed.get_or_insert(self.heads);
        }
        if self.written {
            if self.part == Part::Lines {
                self.body = self.body.with(body);
            }
            self.part = Part::Lines;
        } else if self.part == Part::Lines {
            self.part = match std::mem::take(&mut self.body) {
                Body::None | Body::Length(0) => Part::Before,
                Body::Length(length) => Part::Body(length),
                Body::Chunked => Part::Chunks(ChunkScan::BEGIN),
                Body::Unreadable => {
                    self.malformed.get_or_insert(self.heads);
                    Part::Refused
                }
            };
            self.heads += 1;
        }
        (self.written, self.previous, self.line.length) = (false, b'\n', 0);
    }
}

impl Body {
    /// What another line adds: chunks decide, wherever they are named
    /// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
    fn with(self, line: Option<Self>) -> Self {
        match (self, line) {
            (Self::Chunked, _) | (_, Some(Self::Chunked)) => Self::Chunked,
            (Self::Unreadable, _) => Self::Unreadable,
            (_, line) => line.unwrap_or(self),
        }
    }
}

impl LineStart {
    fn add(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.length += bytes.len();
    }

    /// As [`body_of`] a whole line. A length in a line that is longer than what is kept of it cannot be read.
    fn body(&self) -> Option<Body> {
        match body_of(&self.bytes[..self.length.min(self.bytes.len())])? {
            Body::Length(_) if self.length > self.bytes.len() => Some(Body::Unreadable),
            body => Some(body),
        }
    }
}

/// What a line says of the body; `None` for nothing.
fn body_of(line: &[u8]) -> Option<Body> {
    // It is looked at closely only where it may be one of the two.
    if !matches!(line.first()? | 0x20, b'c' | b't') {
        return None;
    }
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.eq_ignore_ascii_case(b"content-length") {
        let digits = value.iter().all(u8::is_ascii_digit).then_some(value);
        let length = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        return Some(length.map_or(Body::Unreadable, Body::Length));
    }
    name.eq_ignore_ascii_case(b"transfer-encoding").then_some(Body::Chunked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(chunks: &[&[u8]]) -> Option<u64> {
        let mut scan = HeadScan::default();
        for chunk in chunks {
            scan.read(chunk);
        }
        scan.malformed()
    }

    #[test]
    fn a_line_feed_without_a_carriage_return_is_noticed_in_the_head_only() {
        let post = b"\r\nPOST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\n\"a\":\n1}";
        assert_eq!(bare(&[post]), None);
        assert_eq!(bare(&[b"GET / HTTP/1.1\r", b"\nA: b\r\n\r", b"\nGET"]), None);
        assert_eq!(bare(&[b"GET / HTTP/1.1\nA: b\r\n\r\n"]), Some(0));
        assert_eq!(bare(&[b"GET / HTTP/1.1\r\nA: b", b"\n\r\n"]), Some(0));
        assert_eq!(bare(&[b"GET / HTTP/1.1\r\nA: b\r\n\n"]), Some(0));
        assert_eq!(bare(&[post, post, b"GET / HTTP/1.1\nA: b\r\n\r\n"]), Some(2));
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n";
        assert_eq!(bare(&[chunked]), None);
    }

    #[test]
    fn requests_may_be_cut_anywhere() {
        let requests = b"POST /a HTTP/1.1\r\nHost: a\r\ncontent-length:  7 \r\n\r\n{\n1:\n2}\
            GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nPOST / HTTP/1.1\r\n\
            Content-LENGTH: 2\r\nHost: a\r\n\r\n\n\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let bad = [requests, b"GET / HTTP/1.1\nHost: a\r\n\r\n".as_slice()].concat();
        for first in 0..=requests.len() {
            for second in first..=requests.len() {
                let parts = [&requests[..first], &requests[first..second], &requests[second..]];
                assert_eq!(bare(&parts), None, "{first} {second}");
            }
            assert_eq!(bare(&[&bad[..first], &bad[first..]]), Some(4), "{first}");
        }
    }

    #[test]
    fn a_length_that_is_not_read_whole_is_not_guessed() {
        let long =
            b"POST / HTTP/1.1\r\nContent-Length:                                3\r\n\r\n\n\n\n";
        assert_eq!(bare(&[long]), None);
        let many = b"POST / HTTP/1.1\r\nContent-Length: 00000000000000000000009\r\n\r\n\n\n";
        assert_eq!(bare(&[many]), None);
        // In two pieces it is longer than what is kept of it.
        assert_eq!(bare(&[&long[..40], &long[40..]]), Some(0));
        for length in ["+9", "9,9", "-1", "99999999999999999999"] {
            let head = format!(
                "GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
            );
            assert_eq!(bare(&[head.as_bytes()]), Some(1), "{length}");
        }
    }

    #[test]
    fn the_head_behind_a_chunked_body_is_scanned_wherever_it_is_cut() {
        let chunked = "1\r\n\n\r\n5;x\r\n\n\r\n\r\n\r\n0\r\nName: a\r\n\r\n";
        for head in [
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\nContent-Length: 2\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\nTRANSFER-ENCODING: gzip, chunked\r\n\r\n",
        ] {
            for (next, expected) in [
                ("GET / HTTP/1.1\nHost: a\r\n\r\n", Some(1)),
                (
                    "POST / HTTP/1.1\r\nContent-Length: 2\r\nA: b\r\n\r\n\n\nGET / HTTP/1.1\nA: b\r\n\r\n",
                    Some(2),
                ),
                ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
            ] {
                let all = format!("{head}{chunked}{next}").into_bytes();
                for cut in 0..all.len() {
                    assert_eq!(
                        bare(&[&all[..cut], &all[cut..]]),
                        expected,
                        "{head:?} {next:?} {cut}"
                    );
                }
            }
        }
    }
}
