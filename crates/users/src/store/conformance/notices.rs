//! Notices of tokens that end soon: each is taken by one, and finished by another where that one did
//! not say that it was given.

use std::time::Duration;

use uuid::Uuid;

use super::{Fixture, add, disabled};
use crate::mail::EndingToken;
use crate::{MailKind, TakenNotice, TokenNotice};

const DAY: Duration = Duration::from_hours(24);

fn notice(session: u128, mark: &'static str, mail_to: Option<Uuid>) -> TokenNotice<'static> {
    let session_id = Uuid::from_u128(session);
    TokenNotice { session_id, mark, name: Some("ci"), ends_at_ms: 5_000_000_000_000, mail_to }
}

pub(super) async fn a_notice_is_taken_once_and_its_mail_is_queued_with_it(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let of_ann = |session, mark| notice(session, mark, Some(ann.id));
    let take = async |notice| directory.take_notice(notice).await.unwrap();
    assert_eq!(take(of_ann(1, "14d")).await, TakenNotice::First);
    assert_eq!(take(of_ann(1, "14d")).await, TakenNotice::Taken);
    assert_eq!(take(of_ann(1, "1d")).await, TakenNotice::First);
    assert_eq!(take(of_ann(2, "14d")).await, TakenNotice::First);
    assert_eq!(take(notice(3, "14d", None)).await, TakenNotice::First);
    assert_eq!(directory.mail_backlog().await.unwrap().count, 3);
    let mail = directory.next_mail().await.unwrap().unwrap();
    assert_eq!((mail.kind, &*mail.address), (MailKind::TokenExpiring, "ann@example.com"));
    let token = EndingToken { name: Some("ci".to_owned()), ends_at_ms: 5_000_000_000_000 };
    assert_eq!(mail.token, Some(token));
    directory.update(ann.id, disabled(true)).await.unwrap();
    assert_eq!(take(of_ann(4, "14d")).await, TakenNotice::First);
    assert_eq!(directory.mail_backlog().await.unwrap().count, 3, "who is disabled gets none");
}

pub(super) async fn a_notice_that_was_not_given_is_finished_by_one_other(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let take = async |session| {
        let notice = notice(session, "14d", Some(ann.id));
        directory.take_notice(notice).await.unwrap()
    };
    assert_eq!((take(1).await, take(2).await), (TakenNotice::First, TakenNotice::First));
    directory.notice_given(Uuid::from_u128(2), "14d").await.unwrap();
    fixture.clock.advance(Duration::from_secs(59));
    assert_eq!(take(1).await, TakenNotice::Taken, "it may be being given");
    fixture.clock.advance(Duration::from_secs(1));
    let both = tokio::join!(take(1), take(1));
    assert!(
        [(TakenNotice::Again, TakenNotice::Taken), (TakenNotice::Taken, TakenNotice::Again)]
            .contains(&both),
        "{both:?}"
    );
    assert_eq!(take(2).await, TakenNotice::Given);
    assert_eq!(directory.mail_backlog().await.unwrap().count, 2, "its mail was queued before");
}

pub(super) async fn of_all_who_would_look_for_tokens_one_does_in_each_interval(fixture: Fixture) {
    let directory = fixture.open().await;
    let walk = async || directory.take_token_walk(DAY).await.unwrap();
    assert!(walk().await && !walk().await);
    fixture.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert!(!walk().await);
    fixture.clock.advance(Duration::from_secs(1));
    assert!(walk().await && !walk().await);
    directory.postpone_token_walk(Duration::from_secs(9)).await.unwrap();
    fixture.clock.advance(Duration::from_secs(9));
    assert!(walk().await, "the one before was not done");
    directory.postpone_token_walk(90 * DAY).await.unwrap();
    assert!(walk().await, "the date has gone back since");
}
