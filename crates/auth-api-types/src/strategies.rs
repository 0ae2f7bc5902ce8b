//! Anything that a verdict may say, for the tests of its forms.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use uuid::Uuid;

use crate::{Kind, Reason, SessionUser, SessionView, Timestamp, Transport, UserId, Verdict};

/// Any text, often with what needs an escape.
pub(crate) fn text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,40}", "[a-z@.]{0,40}"].prop_map(Cow::Owned)
}

fn texts() -> impl Strategy<Value = Vec<Cow<'static, str>>> {
    proptest::collection::vec(text(), 0..4)
}

fn user() -> impl Strategy<Value = SessionUser<'static>> {
    let id = prop_oneof![
        any::<u128>().prop_map(|id| UserId::Own(Uuid::from_u128(id))),
        text().prop_map(UserId::External)
    ];
    (id, text(), texts()).prop_map(|(id, username, roles)| SessionUser { id, username, roles })
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 0..4_000_000_000_000_i64].prop_map(Timestamp::from_unix_ms)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    ]
}

pub(crate) fn session() -> impl Strategy<Value = SessionView<'static>> {
    let kind = prop_oneof![Just(Kind::Sliding), Just(Kind::Fixed), Just(Kind::SingleUse)];
    let transport = prop_oneof![Just(Transport::Bearer), Just(Transport::Cookie)];
    let whose = (user(), text(), proptest::option::of(texts()), proptest::option::of(text()));
    let times = (moment(), moment(), moment(), moment(), any::<u64>(), any::<u64>());
    let origin = (proptest::option::of(address()), proptest::option::of(text()));
    (any::<u128>(), kind, transport, whose, times, origin, any::<Option<bool>>()).prop_map(
        |(id, kind, transport, whose, times, (ip, user_agent), current)| {
            let (user, role, scopes, name) = whose;
            let (created_at, last_used_at, expires_at, absolute_expires_at, a, b) = times;
            SessionView {
                id: Uuid::from_u128(id),
                kind,
                transport,
                user,
                role,
                scopes,
                name,
                created_at,
                last_used_at,
                expires_at,
                expires_in: a,
                absolute_expires_at,
                refresh_count: b,
                ip,
                user_agent,
                current,
            }
        },
    )
}

pub(crate) fn verdict() -> impl Strategy<Value = Verdict<'static>> {
    let reason = prop_oneof![
        Just(Reason::Malformed),
        Just(Reason::Expired),
        Just(Reason::Revoked),
        Just(Reason::Unknown)
    ];
    let option = proptest::option::of::<BoxedStrategy<_>>;
    (
        any::<Option<bool>>(),
        proptest::option::of(session()),
        option(reason.boxed()),
        proptest::option::of(text()),
    )
        .prop_map(|(authenticated, session, reason, error)| Verdict {
            authenticated,
            session,
            reason,
            error,
        })
}
