//! What is fed with anything, and what must hold of it whatever that is. libFuzzer feeds them
//! (`cargo fuzz run TARGET`), and so does `cargo test --test corpora`, with mutations of the corpora.

use std::io::Cursor;
use std::net::IpAddr;

use auth_api_types::json::WriteJson as _;
use auth_api_types::{ItemOrToken, MAX_TOKENS, Results, ValidateRequest, Verdict, packed};
use auth_http::client_address::{TrustedProxies, X_FORWARDED_FOR, parse_address, user_agent};
use auth_http::credential::{Carried, other_cookie};
use auth_http::cross_site::CrossSiteRule;
use auth_http::hosts::AllowedHosts;
use auth_http::{Answer, request_id};
use http::header::{COOKIE, FORWARDED};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use session::{SessionFilter, SessionId, Token, fuzzing};
use users::{Format, Rows, Ticket, fold_name};

/// A target with its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    ("token", token),
    ("ticket", ticket),
    ("user_name", user_name),
    ("cookie", cookie),
    ("credentials", credentials),
    ("forwarded", forwarded),
    ("validate_request", validate_request),
    ("validate_answer", validate_answer),
    ("packed", packed),
    ("redis_record", redis_record),
    ("file_record", file_record),
    ("event", event),
    ("event_types", event_types),
    ("session_filter", session_filter),
    ("import_csv", import_csv),
    ("import_json", import_json),
];

/// The cookie that is looked for.
const NAME: &str = "__Host-reinflate";

/// A token is one text alone, and names its session.
pub(crate) fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if Token::read(text).is_ok() {
        assert!(text.len() == 64 && text.starts_with("rfl_"), "{text:?}");
        for at in 0..text.len() {
            let mut other = bytes.to_vec();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = std::str::from_utf8(&other).unwrap();
            assert!(Token::read(other).is_err(), "{other:?} is as good as {text:?}");
        }
    }
    if let Some(id) = SessionId::parse(text) {
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
    }
}

/// A ticket is one text alone.
pub(crate) fn ticket(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(ticket) = Ticket::read(text) {
        assert_eq!((ticket.expose(), text.len()), (text, 47));
    }
}

/// What names are compared by is compared by itself.
pub(crate) fn user_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let key = fold_name(&text);
    assert_eq!(fold_name(&key), key, "of {text:?}");
    let _ = users::check_email(&text);
}

/// The lines of an input as values of a header.
fn values(bytes: &[u8], name: &HeaderName) -> HeaderMap {
    let lines =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    lines.map(|value| (name.clone(), value)).collect()
}

/// The lines of an input as headers, where they are some.
fn headers(bytes: &[u8]) -> HeaderMap {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    });
    lines.collect()
}

/// What is found stands in a header.
fn assert_carried(headers: &HeaderMap) {
    let all: Vec<&[u8]> = Carried::all(headers, NAME).into_iter().map(Carried::as_bytes).collect();
    let stands = |found: &[u8]| {
        let mut values = headers.values();
        found.is_empty()
            || values.any(|value| value.as_bytes().windows(found.len()).any(|part| part == found))
    };
    assert!(all.iter().all(|found| stands(found)), "{headers:?}");
    if let Ok(Some(found)) = Carried::find(headers, NAME)
        && Token::read(&found.to_text()).is_ok()
    {
        assert!(all.contains(&found.as_bytes()), "a logout would pass over one of {headers:?}");
    }
    assert_ne!(other_cookie(headers, NAME), Some(NAME));
}

pub(crate) fn cookie(bytes: &[u8]) {
    assert_carried(&values(bytes, &COOKIE));
}

pub(crate) fn credentials(bytes: &[u8]) {
    let headers = headers(bytes);
    assert_carried(&headers);
    let _ = (user_agent(&headers), request_id::given(&headers), auth_http::asks_for_key(&headers));
}

/// No peer that is not believed names another, and nothing to the left of the client changes it.
pub(crate) fn forwarded(bytes: &[u8]) {
    let (proxy, stranger) = (IpAddr::from([10, 0, 0, 7]), IpAddr::from([203, 0, 113, 9]));
    let networks = vec!["10.0.0.0/8".parse().unwrap()];
    for header in [X_FORWARDED_FOR, FORWARDED] {
        let named = values(bytes, &header);
        let proxies = TrustedProxies { networks: networks.clone(), header: header.clone() };
        assert_eq!(proxies.client(stranger, &named), stranger);
        let client = proxies.client(proxy, &named);
        if !proxies.trusts(client) {
            let mut forged = HeaderMap::new();
            forged.append(
                header.clone(),
                HeaderValue::from_static("198.51.100.66, for=198.51.100.66"),
            );
            forged.extend(named.iter().map(|(name, value)| (name.clone(), value.clone())));
            assert_eq!(proxies.client(proxy, &forged), client, "{named:?}");
        }
    }
    let mut request = Request::post("/login").body(()).unwrap();
    *request.headers_mut() = headers(bytes);
    let _ = CrossSiteRule::new("https://auth.example.com").sender(&request);
    let hosts = AllowedHosts::parse("auth.example.com").unwrap();
    let _ = hosts.allow(&request);
    let _ =
        parse_address(&String::from_utf8_lossy(bytes)).map(|ip| assert_eq!(ip, ip.to_canonical()));
}

/// A question is the same once it was written and read again, and whichever reader reads it.
pub(crate) fn validate_request(bytes: &[u8]) {
    let written = std::str::from_utf8(bytes).ok().and_then(ValidateRequest::read_written);
    if let Some(request) = &written {
        assert!(
            serde_json::from_slice::<ValidateRequest<'_>>(bytes).ok().as_ref() == Some(request)
        );
    }
    let Ok(request) = serde_json::from_slice::<ValidateRequest<'_>>(bytes) else { return };
    let text = serde_json::to_string(&request).unwrap();
    assert!(serde_json::from_str::<ValidateRequest<'_>>(&text).unwrap() == request, "{text}");
    if let Ok(items) = request.into_items() {
        assert!((1..=MAX_TOKENS).contains(&items.items().len()));
        for item in items.items() {
            let _ = (Token::read(&item.token), items.touches(item), items.request_id(item));
        }
    }
}

/// No verdict that cannot be read is a yes, and both readers read the same.
pub(crate) fn validate_answer(bytes: &[u8]) {
    let written = std::str::from_utf8(bytes).ok().and_then(|text| Results::read_written(text, 1));
    if let Some(results) = &written {
        assert_eq!(serde_json::from_slice::<Results<'_>>(bytes).ok().as_ref(), Some(results));
    }
    let Ok(Results { results }) = serde_json::from_slice::<Results<'_>>(bytes) else { return };
    for verdict in results {
        let (yes, has_session) = (verdict.authenticated, verdict.session.is_some());
        if let Some(Answer::Alive(_)) = Answer::read(verdict) {
            assert!(yes == Some(true) && has_session);
        }
    }
}

/// Packed questions are written in one way alone, and ask what their JSON asks. A packed verdict says
/// what its JSON says, and the same once it was written and read again.
pub(crate) fn packed(bytes: &[u8]) {
    if let Ok(request) = packed::read_request(bytes) {
        let text = serde_json::to_string(&request).unwrap();
        assert!(serde_json::from_str::<ValidateRequest<'_>>(&text).unwrap() == request, "{text}");
        assert_eq!(packed_again(&request), bytes);
        let _ = request.into_items().map(|items| assert!(items.items().len() <= MAX_TOKENS));
    }
    let Some([low, high]) = bytes.get(2..4) else { return };
    let count = usize::from(u16::from_le_bytes([*low, *high]));
    let Some(read) = packed::read_verdicts(bytes, count) else { return };
    let verdicts: Vec<Verdict<'_>> = read.collect();
    assert_eq!(verdicts.len(), count);
    let mut again = Vec::new();
    packed::write_verdicts(&verdicts, &mut again);
    let again = packed::read_verdicts(&again, count).expect("what was written can be read");
    for (verdict, again) in verdicts.into_iter().zip(again) {
        let mut text = Vec::new();
        verdict.write_json(&mut text);
        let of_json: Verdict<'_> = serde_json::from_slice(&text).unwrap();
        let mut same = Vec::new();
        of_json.write_json(&mut same);
        assert_eq!(String::from_utf8_lossy(&same), String::from_utf8_lossy(&text));
        let (yes, has_session) = (verdict.authenticated, verdict.session.is_some());
        let answer = Answer::read(verdict);
        assert!(!matches!(answer, Some(Answer::Alive(_))) || (yes == Some(true) && has_session));
        assert_eq!(Answer::read(again), answer);
    }
}

/// The body with the questions of a packed one.
fn packed_again(request: &ValidateRequest<'_>) -> Vec<u8> {
    let items = request.tokens.as_deref().unwrap_or_default();
    let mut bytes = Vec::new();
    packed::open_request(&mut bytes, items.len());
    for item in items {
        let ItemOrToken::Item(item) = item else { panic!("each says whether it is a use") };
        let client = item.client.as_ref();
        let question = packed::Question {
            token: &item.token,
            touch: item.touch.unwrap_or(true),
            ip: client.and_then(|client| client.ip.as_deref()),
            user_agent: client.and_then(|client| client.user_agent.as_deref()),
            request_id: item.request_id.as_deref(),
        };
        question.write(&mut bytes);
    }
    bytes
}

/// A use is one more, and ends a session no sooner.
pub(crate) fn redis_record(bytes: &[u8]) {
    let _ = fuzzing::redis_values(bytes);
    let Some((looked, used)) = fuzzing::redis_record(bytes) else { return };
    assert_eq!(used.refresh_count, (looked.refresh_count + 1).min(u32::MAX.into()));
    assert!(used.expires_at_ms >= looked.expires_at_ms);
    assert!(used.expires_at_ms <= used.absolute_expires_at_ms);
    assert_eq!(looked.role(), used.role());
}

/// What was read is written as it was, from the second time on. Values stand behind the last newline.
pub(crate) fn file_record(bytes: &[u8]) {
    let (record, values) = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], Some(&bytes[end + 1..])),
        None => (bytes, None),
    };
    let Some((record, values)) = fuzzing::file_record(record, values) else { return };
    let again = fuzzing::file_record(&record, values.as_deref());
    // One that lives for no time may be over by now.
    assert!(again.is_none_or(|again| again == (record, values)));
}

/// An event is one event of a stream, whatever is in it.
pub(crate) fn event(bytes: &[u8]) {
    let Some((event, stored)) = fuzzing::event(bytes) else { return };
    let (_, again) = fuzzing::event(&stored).expect("what was written can be read");
    assert_eq!(again, stored);
    let frame = auth_service::fuzzing::event_frame(event).expect("it can be shown");
    let lines: Vec<&str> = frame.split('\n').collect();
    let [id, kind, data, "", ""] = lines[..] else { panic!("{frame:?}") };
    assert!(!frame.contains('\r') && id == "id: 7" && kind.starts_with("event: "), "{frame:?}");
    let data = data.strip_prefix("data: ").expect("data follows");
    assert!(serde_json::from_str::<serde_json::Value>(data).is_ok(), "{frame:?}");
}

pub(crate) fn event_types(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let known = text.split(',').all(|name| name.contains('.'));
    assert!(!auth_service::fuzzing::reads_event_types(&text) || known, "{text:?}");
}

/// What is given is a condition, or the whole is refused: no bad value selects everybody. A field of
/// a form that is left empty gives nothing.
pub(crate) fn session_filter(bytes: &[u8]) {
    let parts = |text: &[u8]| -> Vec<Vec<u8>> {
        let parts = text.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        parts.map(<[u8]>::to_vec).collect()
    };
    let target = [b"/api/v1/sessions?", bytes].concat();
    if let Ok(target) = std::str::from_utf8(&target)
        && let Some((filter, query)) = auth_service::fuzzing::query_filter(target)
    {
        assert_eq!(conditions(&filter), parts(query.as_bytes()).len(), "{query:?}: {filter:?}");
    }
    if let Some(filter) = auth_service::fuzzing::form_filter(bytes) {
        // An empty field has nothing but encoded white space in it, which has a % or is a +.
        let is_full = |part: &Vec<u8>| {
            let value = part.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default();
            value.iter().any(|byte| *byte > b' ' && !b"+%".contains(byte))
        };
        let given = parts(bytes);
        let (most, found) = (given.len(), conditions(&filter));
        let plain = |part: &&Vec<u8>| !part.contains(&b'%') && part.is_ascii();
        let least = given.iter().filter(plain).filter(|part| is_full(part)).count();
        assert!((least..=most).contains(&found), "{given:?}: {filter:?}");
    }
}

/// How many conditions there are.
fn conditions(filter: &SessionFilter) -> usize {
    let SessionFilter { user, role, kind, network, user_agent, opened_before_ms, unused_since_ms } =
        filter;
    let set = [
        user.is_some(),
        role.is_some(),
        kind.is_some(),
        network.is_some(),
        user_agent.is_some(),
        opened_before_ms.is_some(),
        unused_since_ms.is_some(),
    ];
    set.into_iter().filter(|is_set| *is_set).count()
}

fn import(bytes: &[u8], format: Format) {
    let Ok(rows) = Rows::new(Box::new(Cursor::new(bytes.to_vec())), format) else { return };
    let mut last = 0;
    for row in rows.map_while(Result::ok) {
        // Rows that end with a lone carriage return are on one line.
        assert!(row.line >= last, "line {} comes after line {last}", row.line);
        last = row.line;
    }
}

pub(crate) fn import_csv(bytes: &[u8]) {
    import(bytes, Format::Csv);
}

pub(crate) fn import_json(bytes: &[u8]) {
    import(bytes, Format::JsonLines);
}
