//! What is packed says what its JSON says, and what is no whole of it says nothing.

use proptest::option::of;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::json::WriteJson;
use crate::strategies::{session, text, verdict};
use crate::{
    Kind, SessionUser, SessionView, Timestamp, Transport, UserId, ValidateRequest, Verdict,
};

fn packed(verdicts: &[Verdict<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_verdicts(verdicts, &mut bytes);
    bytes
}

fn read(bytes: &[u8], questions: usize) -> Option<Vec<Verdict<'static>>> {
    read_verdicts(bytes, questions).map(Iterator::collect)
}

fn json(verdict: &Verdict<'_>) -> String {
    let mut text = Vec::new();
    verdict.write_json(&mut text);
    String::from_utf8(text).unwrap()
}

fn clear() -> impl Strategy<Value = Verdict<'static>> {
    prop_oneof![
        session().prop_map(|session| Verdict {
            authenticated: Some(true),
            session: Some(session),
            ..Verdict::default()
        }),
        verdict().prop_map(|verdict| Verdict {
            authenticated: Some(false),
            session: None,
            reason: Some(verdict.reason.unwrap_or(crate::Reason::Unknown)),
            error: None
        }),
        text().prop_map(|error| Verdict { error: Some(error), ..Verdict::default() })
    ]
}

/// The texts of a question.
type Texts = (String, bool, Option<String>, Option<String>, Option<String>);

fn question(texts: &Texts) -> Question<'_> {
    let (token, touch, ip, user_agent, request_id) = texts;
    Question {
        token,
        touch: *touch,
        ip: ip.as_deref(),
        user_agent: user_agent.as_deref(),
        request_id: request_id.as_deref(),
    }
}

fn texts() -> impl Strategy<Value = Texts> {
    let text = || text().prop_map(String::from);
    (text(), any::<bool>(), of(text()), of(text()), of(text()))
}

fn request(questions: &[Texts]) -> Vec<u8> {
    let mut bytes = Vec::new();
    open_request(&mut bytes, questions.len());
    for texts in questions {
        question(texts).write(&mut bytes);
    }
    bytes
}

proptest! {
    #[test]
    fn packed_verdicts_say_what_their_json_says(
        verdicts in proptest::collection::vec(clear(), 0..4),
    ) {
        let read = read(&packed(&verdicts), verdicts.len()).unwrap();
        prop_assert_eq!(&read, &verdicts);
        let texts = |verdicts: &[Verdict<'_>]| verdicts.iter().map(json).collect::<Vec<_>>();
        prop_assert_eq!(texts(&read), texts(&verdicts));
        for (packed, of_json) in read.iter().zip(texts(&verdicts)) {
            let of_json: Verdict<'_> = serde_json::from_str(&of_json).unwrap();
            prop_assert_eq!(packed.authenticated, of_json.authenticated);
            prop_assert_eq!(packed.reason, of_json.reason);
            prop_assert_eq!(&packed.error, &of_json.error);
            prop_assert_eq!(json(packed), json(&of_json));
        }
    }

    #[test]
    fn what_contradicts_itself_is_neither_a_yes_nor_a_no(verdict in verdict()) {
        let is_yes = verdict.session.is_some() && verdict.reason.is_none();
        let is_yes = is_yes && verdict.error.is_none() && verdict.authenticated == Some(true);
        let is_no = verdict.authenticated == Some(false) && verdict.session.is_none();
        let is_no = is_no && verdict.error.is_none();
        let [read] = &read(&packed(&[verdict]), 1).unwrap()[..] else { panic!("one verdict") };
        prop_assert_eq!(read.authenticated, if is_yes || is_no { Some(is_yes) } else { None });
        prop_assert_eq!(read.session.is_some(), is_yes);
    }

    #[test]
    fn what_is_no_whole_of_so_many_verdicts_is_none(
        verdicts in proptest::collection::vec(clear(), 1..4),
        more: u8,
    ) {
        let (bytes, count) = (packed(&verdicts), verdicts.len());
        for end in 0..bytes.len() {
            prop_assert!(read(&bytes[..end], count).is_none());
        }
        prop_assert!(read(&[&bytes[..], &[more]].concat(), count).is_none());
        prop_assert!(read(&bytes, count - 1).is_none() && read(&bytes, count + 1).is_none());
        for at in [0, 1] {
            let mut other = bytes.clone();
            other[at] = other[at].wrapping_add(more | 1);
            prop_assert!(read(&other, count).is_none());
        }
    }

    #[test]
    fn nonsense_is_never_a_yes(
        nonsense in proptest::collection::vec(any::<u8>(), 0..300),
        tag in 0..=3_u8,
    ) {
        for questions in 0..3 {
            prop_assert!(read(&nonsense, questions).is_none_or(|read| read.len() == questions));
        }
        let mut framed = Vec::new();
        write_head(&mut framed, 1);
        framed.extend_from_slice(&length(nonsense.len() + 1));
        framed.push(tag);
        framed.extend_from_slice(&nonsense);
        let read = read(&framed, 1).unwrap();
        prop_assert!(read[0].authenticated != Some(true), "{:?}", read);
        let _ = read_request(&nonsense);
        let _ = read_request(&framed);
    }

    #[test]
    fn packed_questions_ask_what_their_json_asks(
        questions in proptest::collection::vec(texts(), 1..4),
    ) {
        let bytes = request(&questions);
        let read = read_request(&bytes).unwrap();
        let text = serde_json::to_string(&read).unwrap();
        prop_assert!(serde_json::from_str::<ValidateRequest<'_>>(&text).unwrap() == read, "{text}");
        let items = read.into_items().unwrap();
        let mut sizes = (HEAD, r#"{"tokens":[]}"#.len() - 1);
        for (item, texts) in items.items().iter().zip(&questions) {
            let asked = question(texts);
            prop_assert_eq!(&item.token, asked.token);
            prop_assert_eq!(items.touches(item), asked.touch);
            prop_assert_eq!(items.request_id(item), asked.request_id);
            let client = item.client.clone().unwrap_or_default();
            prop_assert_eq!(client.ip.as_deref(), asked.ip);
            prop_assert_eq!(client.user_agent.as_deref(), asked.user_agent);
            prop_assert!(asked.packed_len() <= asked.json_len());
            sizes = (sizes.0 + asked.packed_len(), sizes.1 + asked.json_len() + 1);
        }
        prop_assert_eq!(sizes, (bytes.len(), text.len()));
    }

    #[test]
    fn what_is_no_whole_of_questions_is_malformed(
        questions in proptest::collection::vec(texts(), 1..4),
    ) {
        let bytes = request(&questions);
        let error = |bytes: &[u8]| read_request(bytes).err();
        for end in 0..bytes.len() {
            prop_assert_eq!(error(&bytes[..end]), Some(PackedError::Malformed));
        }
        prop_assert_eq!(error(&[&bytes[..], b"x"].concat()), Some(PackedError::Malformed));
        for (at, bits) in [(0, 2), (1, 1), (HEAD, 0x80)] {
            let mut other = bytes.clone();
            other[at] |= bits;
            prop_assert_eq!(error(&other), Some(PackedError::Unknown));
        }
    }
}

/// The session of the page that fixes the layout.
fn of_the_page() -> Verdict<'static> {
    let moment = |seconds: i64| Timestamp::from_unix_ms(1_795_176_000_000 + seconds * 1000);
    let session = SessionView {
        id: Uuid::from_u128(0x0193_5a3e_0000_7000_8000_0000_0000_0000),
        kind: Kind::Sliding,
        transport: Transport::Cookie,
        user: SessionUser {
            id: UserId::Own(Uuid::from_u128(0x0193_5a3e_0000_7000_8000_0000_0000_0001)),
            username: "ann".into(),
            roles: vec!["user".into()],
        },
        role: "user".into(),
        scopes: None,
        name: None,
        created_at: moment(0),
        last_used_at: moment(7),
        expires_at: moment(37),
        expires_in: 30,
        absolute_expires_at: moment(43_200),
        refresh_count: 3,
        ip: Some([192, 0, 2, 1].into()),
        user_agent: None,
        current: None,
    };
    Verdict { authenticated: Some(true), session: Some(session), ..Verdict::default() }
}

/// A layout that changes under its version would be read for another by those who speak the old one.
#[test]
fn the_layout_is_the_one_that_the_page_fixes() {
    let at = |ms: i64| ms.to_le_bytes();
    let mut expected = vec![1, 0, 1, 0, 129, 0, 0, 0, 1, 1, 2, 1, 0, 4];
    for id in [0, 1] {
        let last = [0x01, 0x93, 0x5a, 0x3e, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, id];
        expected.extend_from_slice(&last);
    }
    expected.extend_from_slice(&[192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for ms in [1_795_176_000_000, 1_795_176_007_000, 1_795_176_037_000, 1_795_219_200_000] {
        expected.extend_from_slice(&at(ms));
    }
    expected.extend_from_slice(&at(30));
    expected.extend_from_slice(&at(3));
    expected.extend_from_slice(b"\x03\0\0\0ann\x04\0\0\0user\x01\0\0\0\x04\0\0\0user");
    assert_eq!(packed(&[of_the_page()]), expected);

    let question = Question {
        token: "rfl",
        touch: true,
        ip: Some("192.0.2.1"),
        user_agent: None,
        request_id: Some("r-1"),
    };
    let mut bytes = Vec::new();
    open_request(&mut bytes, 1);
    question.write(&mut bytes);
    let expected = b"\x01\0\x01\0\x0b\x03\0\0\0rfl\x09\0\0\x00192.0.2.1\x03\0\0\0r-1";
    assert_eq!(bytes, expected);
}

#[test]
fn a_field_of_a_later_release_is_passed_over_unless_it_must_be_understood() {
    let dead = Verdict {
        authenticated: Some(false),
        reason: Some(crate::Reason::Revoked),
        ..Verdict::default()
    };
    let [alive, unavailable] = [of_the_page(), Verdict { error: Some("x".into()), ..dead.clone() }];
    let unavailable = Verdict { authenticated: None, reason: None, ..unavailable };
    let with = |verdict: &Verdict<'_>, field: &[u8]| {
        let bytes = packed(std::slice::from_ref(verdict));
        let item = [&bytes[HEAD + 4..], field].concat();
        let mut bytes = Vec::new();
        write_head(&mut bytes, 2);
        // The one beside it is read whatever becomes of it.
        for item in [&item[..], &[DEAD_TAG, 3]] {
            bytes.extend_from_slice(&length(item.len()));
            bytes.extend_from_slice(item);
        }
        let read = read(&bytes, 2).unwrap();
        assert_eq!(read[1], dead);
        read.into_iter().next().unwrap()
    };
    for verdict in [&alive, &dead, &unavailable] {
        assert_eq!(&with(verdict, b"\x7f\x02\0\0\0ab\0\0\0\0\0"), verdict);
        for unreadable in
            [&b"\x80\0\0\0\0"[..], b"\0\0\0\0\0\xff\x01\0\0\0a", b"\0\x01\0\0\0", b"\0"]
        {
            assert_eq!(with(verdict, unreadable), Verdict::default(), "{unreadable:?}");
        }
    }
}

/// The first byte of a verdict on a token that opens nothing.
const DEAD_TAG: u8 = 2;

#[test]
fn what_is_no_number_of_ours_is_no_session() {
    let bytes = packed(&[of_the_page()]);
    let at = HEAD + 4;
    for (offset, wrong) in
        [(0, 0), (0, 4), (1, 0), (1, 4), (2, 0), (2, 3), (3, 0), (3, 3), (4, 0x20), (5, 1)]
    {
        let mut other = bytes.clone();
        other[at + offset] = wrong;
        assert_eq!(read(&other, 1).unwrap(), [Verdict::default()], "{wrong} at {offset}");
    }
    // A reason of a later release is a reason: the token is dead.
    let mut other = packed(&[Verdict { authenticated: Some(false), ..Verdict::default() }]);
    *other.last_mut().unwrap() = 77;
    assert_eq!(read(&other, 1).unwrap()[0].reason, Some(crate::Reason::Unknown));
}
