//! The trace that a request belongs to, as its caller says.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header that carries it.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A valid `traceparent` ([W3C Trace Context](https://www.w3.org/TR/trace-context/)), to be passed
/// on as it is. An extension of the requests that brought one, and of all where traces are
/// exported: then it names the request's own span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(HeaderValue);

impl TraceParent {
    /// The value to pass on.
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// What names this span.
    pub(super) fn of(span: &SpanContext) -> Option<Self> {
        let (trace, id) = (span.trace_id(), span.span_id());
        let text = format!("00-{trace}-{id}-{:02x}", span.trace_flags());
        HeaderValue::try_from(text).ok().map(Self)
    }

    /// The span that it names, which is the caller's.
    pub(super) fn span(&self) -> Option<SpanContext> {
        let text = self.0.to_str().ok()?;
        let trace = TraceId::from_hex(text.get(3..35)?).ok()?;
        let id = SpanId::from_hex(text.get(36..52)?).ok()?;
        let flags = TraceFlags::new(u8::from_str_radix(text.get(53..55)?, 16).ok()?);
        Some(SpanContext::new(trace, id, flags, true, TraceState::default()))
    }

    pub(super) fn given(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next().filter(|value| is_valid(value.as_bytes()))?;
        values.next().is_none().then(|| Self(value.clone()))
    }
}

/// `00-` trace id `-` parent id `-` flags, in lower-case hexadecimal. Later versions may be longer.
fn is_valid(bytes: &[u8]) -> bool {
    if bytes.len() < 55 || !bytes.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let (version, trace, parent, flags) =
        (&bytes[..2], &bytes[3..35], &bytes[36..52], &bytes[53..55]);
    let hex = |part: &[u8]| part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    let zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    let dashes = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
    let length = match version {
        b"00" => bytes.len() == 55,
        b"ff" => false,
        _ => bytes.len() == 55 || bytes[55] == b'-',
    };
    let hexadecimal = [version, trace, parent, flags].into_iter().all(hex);
    dashes && length && hexadecimal && !zero(trace) && !zero(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_a_span_and_a_span_makes_it() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let given = TraceParent(HeaderValue::from_static(text));
        let span = given.span().unwrap();
        assert!(span.is_remote() && span.is_sampled());
        assert_eq!(TraceParent::of(&span), Some(given));
    }

    #[test]
    fn only_what_the_standard_allows_is_passed_on() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_valid(good.as_bytes()));
        assert!(is_valid(format!("01{}-more", &good[2..]).as_bytes()));
        for bad in [
            "",
            &good[..54],
            &format!("{good}-more"),
            &format!("ff{}", &good[2..]),
            &good.to_uppercase(),
            &good.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
