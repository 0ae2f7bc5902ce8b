//! The outbox: the same row whoever is meant, decided by the sender, one sender at a time; and devices.

use std::time::Duration;

use uuid::Uuid;

use super::tickets::delivered;
use super::{Fixture, add, disabled, new_user};
use crate::mail::{Device, MailKind};
use crate::{Directory, UsersError};

pub(super) async fn a_request_for_an_address_is_one_row_in_any_case(fixture: Fixture) {
    let directory = fixture.open().await;
    add(&directory, "Ann@example.com", &["user"]).await;
    for address in ["ann@example.com", "nobody@example.com"] {
        directory.request_reset(address).await.unwrap();
        directory.request_sign_up(new_user(address, &["user"])).await.unwrap();
    }
    assert_eq!(directory.mail_backlog().await.unwrap().count, 4);
    let mut decided = Vec::new();
    while let Some(next) = directory.next_mail().await.unwrap() {
        let decision = directory.decide_mail(&next).await.unwrap();
        decided.push(decision.map(|decision| (decision.kind, decision.address)));
        directory.remove_mail(next.id).await.unwrap();
    }
    let to = |kind, address: &str| Some((kind, address.to_owned()));
    decided.sort_by_key(|decision| decision.as_ref().map(|(kind, _)| kind.name()));
    assert_eq!(
        decided,
        [
            None,
            to(MailKind::AccountExists, "Ann@example.com"),
            to(MailKind::Reset, "Ann@example.com"),
            to(MailKind::SignUp, "nobody@example.com"),
        ]
    );
    assert_eq!(directory.mail_backlog().await.unwrap().oldest_ms, None);
    for wrong in ["", "ann", "a\r\nBcc: b@example.com", "a@b c"] {
        let refused = directory.request_reset(wrong).await;
        assert!(matches!(refused, Err(UsersError::Rule(_))), "{wrong:?}");
    }
}

pub(super) async fn who_signed_up_and_forgot_hears_that_it_is_not_verified(fixture: Fixture) {
    let directory = fixture.open().await;
    directory.request_sign_up(new_user("ann@example.com", &["user"])).await.unwrap();
    let mail = delivered(&directory).await.unwrap();
    directory.request_reset("ANN@example.com").await.unwrap();
    let written = delivered(&directory).await.unwrap();
    assert_eq!((written.kind, written.ticket), (MailKind::NotVerified, None));
    assert!(directory.ticket_purpose(&mail.ticket.unwrap()).await.is_ok(), "it stays good");
    fixture.clock.advance(Duration::from_hours(25));
    directory.request_reset("ann@example.com").await.unwrap();
    assert!(delivered(&directory).await.is_none());
}

pub(super) async fn a_decision_that_is_out_of_date_sends_nothing(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    directory.request_reset("ann@example.com").await.unwrap();
    let request = directory.next_mail().await.unwrap().unwrap();
    let decision = directory.decide_mail(&request).await.unwrap().unwrap();
    directory.update(ann.id, disabled(true)).await.unwrap();
    assert!(directory.settle_mail(&request, &decision).await.unwrap().is_none());
    assert!(directory.next_mail().await.unwrap().is_none(), "the request is gone with it");
    directory.update(ann.id, disabled(false)).await.unwrap();
    directory.request_reset("ann@example.com").await.unwrap();
    let request = directory.next_mail().await.unwrap().unwrap();
    let decision = directory.decide_mail(&request).await.unwrap().unwrap();
    let mail = directory.settle_mail(&request, &decision).await.unwrap().unwrap();
    assert!(directory.settle_mail(&request, &decision).await.unwrap().is_none(), "settled before");
    assert!(directory.prolong_ticket(&mail).await.unwrap());
    directory.change_password(ann.id, &"another thousand balloons".into()).await.unwrap();
    assert!(!directory.prolong_ticket(&mail).await.unwrap(), "its ticket is gone");
}

pub(super) async fn a_mail_waits_until_it_is_due_and_its_ticket_lasts_from_then(fixture: Fixture) {
    let directory = fixture.open().await;
    add(&directory, "ann@example.com", &["user"]).await;
    directory.request_reset("ann@example.com").await.unwrap();
    let request = directory.next_mail().await.unwrap().unwrap();
    let decision = directory.decide_mail(&request).await.unwrap().unwrap();
    directory.settle_mail(&request, &decision).await.unwrap().unwrap();
    directory.postpone_mail(request.id, Duration::from_hours(2)).await.unwrap();
    assert!(directory.next_mail().await.unwrap().is_none());
    let backlog = directory.mail_backlog().await.unwrap();
    assert_eq!((backlog.count, backlog.oldest_ms), (1, Some(request.created_at_ms)));
    fixture.clock.advance(Duration::from_hours(2));
    directory.clear_tickets().await.unwrap();
    let mail = directory.next_mail().await.unwrap().unwrap();
    assert_eq!((mail.id, mail.attempts, mail.kind), (request.id, 1, MailKind::Reset));
    let ticket = mail.ticket.clone().unwrap();
    assert_eq!(directory.ticket_purpose(&ticket).await, Err(UsersError::TicketSpent));
    assert!(directory.prolong_ticket(&mail).await.unwrap());
    assert!(directory.ticket_purpose(&ticket).await.is_ok());
}

pub(super) async fn of_several_senders_one_sends_until_its_lease_is_over(fixture: Fixture) {
    let directory = fixture.open().await;
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let lease = Duration::from_mins(1);
    assert!(directory.lease_sending(one, lease).await.unwrap());
    assert!(!directory.lease_sending(other, lease).await.unwrap());
    fixture.clock.advance(Duration::from_secs(59));
    assert!(directory.lease_sending(one, lease).await.unwrap(), "it goes on");
    fixture.clock.advance(Duration::from_secs(59));
    assert!(!directory.lease_sending(other, lease).await.unwrap());
    fixture.clock.advance(Duration::from_secs(1));
    assert!(directory.lease_sending(other, lease).await.unwrap(), "the first is gone");
    directory.release_sending(one).await.unwrap();
    assert!(!directory.lease_sending(one, lease).await.unwrap(), "it had nothing to let go of");
    directory.release_sending(other).await.unwrap();
    assert!(directory.lease_sending(one, lease).await.unwrap());
}

pub(super) async fn a_login_from_elsewhere_is_recorded_once(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let bob = add(&directory, "bob@example.com", &["user"]).await;
    let day = Duration::from_hours(24);
    let device = |ip: &str, user_agent: &str| Device {
        network: ip.parse().unwrap(),
        ip: ip.parse().unwrap(),
        user_agent: user_agent.to_owned(),
        name: "Firefox on Linux".to_owned(),
    };
    let (home, phone) = (device("192.0.2.1", "a"), device("192.0.2.1", "b"));
    let away = device("192.0.2.2", "a");
    let see = async |user, device| directory.see_device(user, device).await.unwrap();
    assert!(!see(&ann, &home).await, "the very first");
    assert!(!see(&ann, &home).await);
    assert!(see(&ann, &phone).await, "another user agent");
    assert!(!see(&ann, &phone).await);
    assert!(see(&ann, &away).await, "another address");
    assert!(!see(&bob, &away).await, "another account's very first");
    fixture.clock.advance(29 * day);
    assert!(!see(&ann, &home).await);
    fixture.clock.advance(2 * day);
    assert!(!see(&ann, &home).await, "it was seen meanwhile");
    assert!(see(&ann, &phone).await, "not within 30 days");
    fixture.clock.advance(365 * day);
    assert!(see(&ann, &home).await, "no very first once more");
    let mut notes = 0;
    while let Some(note) = directory.next_mail().await.unwrap() {
        assert_eq!((note.kind, note.address.as_str()), (MailKind::NewDevice, "ann@example.com"));
        assert_eq!(note.device.as_deref(), Some("Firefox on Linux"));
        assert!(note.ip.is_some());
        notes += 1;
        directory.remove_mail(note.id).await.unwrap();
    }
    assert_eq!(notes, 4);
    directory.delete(ann.id).await.unwrap();
    let again: Directory = fixture.open().await;
    if fixture.is_shared() {
        assert!(again.get(ann.id).await.unwrap().is_none());
    }
}
