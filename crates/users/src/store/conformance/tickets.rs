//! Tickets: good once, for one purpose, until what they stand for has changed.

use std::time::Duration;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Fixture, PASSWORD, add, disabled, new_user};
use crate::mail::MailKind;
use crate::{Directory, Password, QueuedMail, Ticket, TicketPurpose, User, UsersError};

const OTHER: &str = "another thousand balloons";

/// Decides and settles what is due, as the sender would, and hands over the mail that came of it.
pub(super) async fn delivered(directory: &Directory) -> Option<QueuedMail> {
    let next = directory.next_mail().await.unwrap()?;
    let mail = if next.kind.is_request() {
        match directory.decide_mail(&next).await.unwrap() {
            Some(decision) => directory.settle_mail(&next, &decision).await.unwrap(),
            None => None,
        }
    } else {
        Some(next.clone())
    };
    directory.remove_mail(next.id).await.unwrap();
    mail
}

async fn ticket_for_reset(directory: &Directory, address: &str) -> Ticket {
    directory.request_reset(address).await.unwrap();
    let mail = delivered(directory).await.unwrap();
    assert_eq!(mail.kind, MailKind::Reset);
    mail.ticket.unwrap()
}

async fn ticket_for_sign_up(directory: &Directory, address: &str, password: &str) -> Ticket {
    let mut new = new_user(address, &["user"]);
    new.password = password.into();
    directory.request_sign_up(new).await.unwrap();
    let mail = delivered(directory).await.unwrap();
    assert_eq!(mail.kind, MailKind::SignUp);
    mail.ticket.unwrap()
}

async fn reset(directory: &Directory, ticket: &Ticket) -> Result<User, UsersError> {
    let prepared = directory.prepare_reset(ticket, &OTHER.into()).await?;
    directory.reset_password(prepared).await
}

async fn opens(directory: &Directory, name: &str, password: &str) -> bool {
    directory.authenticate(name, &password.into()).await.unwrap().is_some()
}

pub(super) async fn a_ticket_sets_another_password_once(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "Ann@example.com", &["user"]).await;
    let ticket = ticket_for_reset(&directory, "ANN@EXAMPLE.COM").await;
    let purpose = directory.ticket_purpose(&ticket).await;
    assert_eq!(purpose, Ok(TicketPurpose::Reset), "looking does not use it");
    let weak = directory.prepare_reset(&ticket, &"short".into()).await;
    assert!(matches!(weak, Err(UsersError::Rule(_))), "and leaves it good");

    let mut prepared = Vec::new();
    for _ in 0..9 {
        prepared.push(directory.prepare_reset(&ticket, &OTHER.into()).await.unwrap());
    }
    let late = prepared.pop().unwrap();
    let mut uses = JoinSet::new();
    for prepared in prepared {
        let directory = directory.clone();
        uses.spawn(async move { directory.reset_password(prepared).await });
    }
    let outcomes = uses.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(directory.reset_password(late).await, Err(UsersError::TicketSpent));

    let now = directory.get(ann.id).await.unwrap().unwrap();
    assert_eq!(now.generation, ann.generation + 1);
    assert_eq!(directory.newest_ending().await.unwrap().map(|ending| ending.user_id), Some(ann.id));
    assert!(opens(&directory, "ann@example.com", OTHER).await);
    assert!(!opens(&directory, "ann@example.com", PASSWORD).await);
    assert_eq!(directory.ticket_purpose(&ticket).await, Err(UsersError::TicketSpent));
    let note = delivered(&directory).await.unwrap();
    assert_eq!((note.kind, note.address.as_str()), (MailKind::PasswordReset, "Ann@example.com"));
    assert!(delivered(&directory).await.is_none(), "one note");
}

pub(super) async fn a_ticket_is_good_for_its_purpose_and_time_alone(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let never = Ticket::make().unwrap();
    assert_eq!(directory.ticket_purpose(&never).await, Err(UsersError::NotFound));
    assert_eq!(reset(&directory, &never).await, Err(UsersError::NotFound));

    let for_reset = ticket_for_reset(&directory, "ann@example.com").await;
    let for_sign_up = ticket_for_sign_up(&directory, "bob@example.com", PASSWORD).await;
    directory.request_address_change(&ann, "eve@example.com", Uuid::nil()).await.unwrap();
    let for_change = match delivered(&directory).await.unwrap() {
        mail if mail.kind == MailKind::ChangeAddress => mail,
        _ => delivered(&directory).await.unwrap(),
    };
    let for_change = for_change.ticket.unwrap();
    for ticket in [&for_sign_up, &for_change] {
        assert_eq!(reset(&directory, ticket).await, Err(UsersError::NotFound));
    }
    for ticket in [&for_reset, &for_change] {
        let tried = directory.verify_sign_up(ticket, &PASSWORD.into()).await;
        assert_eq!(tried, Err(UsersError::NotFound));
    }
    for ticket in [&for_reset, &for_sign_up] {
        let tried = directory.verify_address(ticket).await.map(|_| ());
        assert_eq!(tried, Err(UsersError::NotFound));
    }
    fixture.clock.advance(Duration::from_mins(30));
    assert_eq!(reset(&directory, &for_reset).await, Err(UsersError::TicketSpent));
    assert!(directory.ticket_purpose(&for_sign_up).await.is_ok());
    fixture.clock.advance(Duration::from_hours(24));
    for ticket in [&for_sign_up, &for_change] {
        assert_eq!(directory.ticket_purpose(ticket).await, Err(UsersError::TicketSpent));
    }
    fixture.clock.advance(Duration::from_hours(26));
    directory.clear_tickets().await.unwrap();
    assert_eq!(directory.ticket_purpose(&for_reset).await, Err(UsersError::TicketSpent));
    fixture.clock.advance(Duration::from_hours(24 * 31));
    directory.clear_tickets().await.unwrap();
    assert_eq!(directory.ticket_purpose(&for_reset).await, Err(UsersError::NotFound));
}

pub(super) async fn what_changes_a_user_ends_the_tickets(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    add(&directory, "bob@example.com", &["user"]).await;
    let of_bob = ticket_for_reset(&directory, "bob@example.com").await;

    let older = ticket_for_reset(&directory, "ann@example.com").await;
    let newer = ticket_for_reset(&directory, "ann@example.com").await;
    assert_eq!(reset(&directory, &older).await, Err(UsersError::TicketSpent), "a newer ends it");
    directory.change_password(ann.id, &OTHER.into()).await.unwrap();
    assert_eq!(reset(&directory, &newer).await, Err(UsersError::TicketSpent));

    let ticket = ticket_for_reset(&directory, "ann@example.com").await;
    directory.rename(ann.id, "anna@example.com").await.unwrap();
    assert_eq!(reset(&directory, &ticket).await, Err(UsersError::TicketSpent));

    let ticket = ticket_for_reset(&directory, "anna@example.com").await;
    directory.update(ann.id, disabled(true)).await.unwrap();
    assert_eq!(reset(&directory, &ticket).await, Err(UsersError::TicketSpent));
    directory.request_reset("anna@example.com").await.unwrap();
    assert!(delivered(&directory).await.is_none(), "who is disabled gets no mail");
    directory.update(ann.id, disabled(false)).await.unwrap();
    assert_eq!(reset(&directory, &ticket).await, Err(UsersError::TicketSpent));

    let ticket = ticket_for_reset(&directory, "anna@example.com").await;
    let prepared = directory.prepare_reset(&ticket, &OTHER.into()).await.unwrap();
    directory.delete(ann.id).await.unwrap();
    assert_eq!(directory.reset_password(prepared).await, Err(UsersError::TicketSpent));
    assert!(reset(&directory, &of_bob).await.is_ok(), "another user's is left alone");
}

pub(super) async fn a_sign_up_is_an_account_once_its_password_is_shown(fixture: Fixture) {
    let directory = fixture.open().await;
    let thief = ticket_for_sign_up(&directory, "ann@example.com", OTHER).await;
    let owner = ticket_for_sign_up(&directory, "Ann@Example.com", PASSWORD).await;
    assert!(!opens(&directory, "ann@example.com", PASSWORD).await);
    assert_eq!(directory.count().await, Ok(0));
    let wrong = directory.verify_sign_up(&thief, &PASSWORD.into()).await;
    assert_eq!(wrong, Ok(None), "each mail stands for the password that it was asked with");

    let ann = directory.verify_sign_up(&owner, &PASSWORD.into()).await.unwrap().unwrap();
    assert!(ann.email_verified);
    assert_eq!(
        (ann.email.as_str(), ann.roles.as_slice()),
        ("Ann@Example.com", ["user".into()].as_slice())
    );
    assert!(opens(&directory, "ann@example.com", PASSWORD).await);
    for ticket in [&owner, &thief] {
        let again = directory.verify_sign_up(ticket, &PASSWORD.into()).await;
        assert_eq!(again, Err(UsersError::TicketSpent));
    }

    let late = ticket_for_sign_up(&directory, "bob@example.com", PASSWORD).await;
    add(&directory, "BOB@example.com", &["user"]).await;
    let taken = directory.verify_sign_up(&late, &PASSWORD.into()).await;
    assert_eq!(taken, Err(UsersError::NameTaken));
}

pub(super) async fn ten_wrong_passwords_end_the_ticket_of_a_sign_up(fixture: Fixture) {
    let directory = fixture.open().await;
    let ticket = ticket_for_sign_up(&directory, "ann@example.com", PASSWORD).await;
    for _ in 0..9 {
        assert_eq!(directory.verify_sign_up(&ticket, &OTHER.into()).await, Ok(None));
    }
    let other = ticket_for_sign_up(&directory, "ann@example.com", PASSWORD).await;
    assert!(directory.ticket_purpose(&ticket).await.is_ok(), "the ticket stays good until then");
    let mut tries = JoinSet::new();
    for _ in 0..8 {
        let (directory, ticket) = (directory.clone(), ticket.clone());
        let password = Password::from(OTHER);
        tries.spawn(async move { directory.verify_sign_up(&ticket, &password).await });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(None)).count(), 1);
    let right = directory.verify_sign_up(&ticket, &PASSWORD.into()).await;
    assert_eq!(right, Err(UsersError::TicketSpent));
    assert!(directory.verify_sign_up(&other, &PASSWORD.into()).await.unwrap().is_some());
}

pub(super) async fn another_address_counts_once_it_is_verified(fixture: Fixture) {
    let directory = fixture.open_with(true).await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let session = Uuid::from_u128(7);
    directory.request_address_change(&ann, " Anna@example.com ", session).await.unwrap();
    let mut mails = Vec::new();
    while let Some(mail) = delivered(&directory).await {
        mails.push(mail);
    }
    mails.sort_by_key(|mail| mail.kind != MailKind::ChangeAddress);
    let written: Vec<_> = mails.iter().map(|mail| (mail.kind, mail.address.as_str())).collect();
    assert_eq!(
        written,
        [
            (MailKind::ChangeAddress, "Anna@example.com"),
            (MailKind::AddressChanging, "ann@example.com")
        ]
    );
    let ticket = mails[0].ticket.clone().unwrap();
    let (updated, spared) = directory.verify_address(&ticket).await.unwrap();
    assert_eq!((updated.user.email.as_str(), spared), ("Anna@example.com", Some(session)));
    assert_eq!(updated.user.generation, ann.generation + 1);
    let ending = directory.newest_ending().await.unwrap().unwrap();
    assert_eq!((ending.user_id, ending.spared_session), (ann.id, Some(session)));
    assert!(opens(&directory, "anna@example.com", PASSWORD).await);
    assert!(!opens(&directory, "ann@example.com", PASSWORD).await);
    let again = directory.verify_address(&ticket).await.map(|_| ());
    assert_eq!(again, Err(UsersError::TicketSpent));

    let anna = updated.user;
    directory.request_address_change(&anna, "new@example.com", session).await.unwrap();
    let ticket = loop {
        if let Some(ticket) = delivered(&directory).await.unwrap().ticket {
            break ticket;
        }
    };
    add(&directory, "new@example.com", &["user"]).await;
    let taken = directory.verify_address(&ticket).await.map(|_| ());
    assert_eq!(taken, Err(UsersError::NameTaken));
    assert!(opens(&directory, "anna@example.com", PASSWORD).await);

    directory.ensure_demo_user().await.unwrap();
    let demo = directory.find(crate::DEMO_EMAIL).await.unwrap().unwrap();
    let refused = directory.request_address_change(&demo, "demo@example.com", session).await;
    assert!(matches!(refused, Err(UsersError::Rule(_))));
    directory.request_reset(crate::DEMO_EMAIL).await.unwrap();
    while directory.next_mail().await.unwrap().is_some() {
        let mail = delivered(&directory).await;
        assert!(
            mail.is_none_or(|mail| mail.kind == MailKind::AddressChanging),
            "not to the demo user"
        );
    }
}
