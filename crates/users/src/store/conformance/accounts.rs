//! Creating, finding, listing, and who must stay.

use std::collections::HashSet;

use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Fixture, add, disabled, new_user, roles};
use crate::{Directory, ListQuery, UserChanges, UsersError};

pub(super) async fn a_created_user_is_found_in_any_spelling_and_shown_as_given(fixture: Fixture) {
    let directory = fixture.open().await;
    let mut new = new_user(" Ann.Ärmel@Example.com ", &["user", "team.a"]);
    new.first_name = Some("Ann".into());
    let ann = directory.create(new).await.unwrap();
    assert_eq!((ann.email.as_str(), ann.generation), ("Ann.Ärmel@Example.com", 1));
    assert_eq!(ann.roles, ["user", "team.a"]);
    assert_eq!((ann.first_name.as_deref(), ann.last_name.as_deref()), (Some("Ann"), None));
    assert_eq!(ann.id.get_version_num(), 7);
    for spelling in ["Ann.Ärmel@Example.com", " ann.ärmel@EXAMPLE.com ", "ANN.ÄRMEL@EXAMPLE.COM"]
    {
        assert_eq!(directory.find(spelling).await.unwrap().as_ref(), Some(&ann), "{spelling}");
    }
    assert_eq!(directory.get(ann.id).await.unwrap(), Some(ann));
    assert_eq!(directory.get(Uuid::nil()).await.unwrap(), None);
    assert_eq!(directory.find("nobody@example.com").await.unwrap(), None);
    assert_eq!(directory.count().await.unwrap(), 1);
}

pub(super) async fn a_taken_name_is_refused_in_any_spelling(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "Ann@example.com", &["user"]).await;
    let again = directory.create(new_user("ann@EXAMPLE.com ", &["admin"])).await;
    assert_eq!(again.unwrap_err(), UsersError::NameTaken);
    directory.delete(ann.id).await.unwrap();
    let successor = add(&directory, "ann@example.com", &["user"]).await;
    assert_ne!(successor.id, ann.id);
}

pub(super) async fn of_concurrent_creations_of_one_name_exactly_one_succeeds(fixture: Fixture) {
    let directory = fixture.open().await;
    let mut creations = JoinSet::new();
    for n in 0..32 {
        let directory = directory.clone();
        let name = if n % 2 == 0 { "ann@example.com" } else { "ANN@example.com" };
        creations.spawn(async move { directory.create(new_user(name, &["user"])).await });
    }
    let outcomes = creations.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let taken = |outcome: &&Result<_, _>| matches!(outcome, Err(UsersError::NameTaken));
    assert_eq!(outcomes.iter().filter(taken).count(), 31);
    assert_eq!(directory.count().await.unwrap(), 1);
}

pub(super) async fn text_is_stored_verbatim_whatever_it_looks_like(fixture: Fixture) {
    let directory = fixture.open().await;
    let texts = [
        "'; DROP TABLE users; --",
        "\" OR 1=1",
        "$1 %s {0} ?1",
        "\\' \\\" \\",
        "名前 🎈",
        "<b>&amp;",
    ];
    for (n, text) in texts.into_iter().enumerate() {
        let mut new = new_user(&format!("o'{n}=--%_\\@example.com"), &["user"]);
        new.first_name = Some(text.to_owned());
        let id = directory.create(new).await.unwrap().id;
        let changes = UserChanges { last_name: Some(text.to_owned()), ..Default::default() };
        directory.update(id, changes).await.unwrap();
        let user = directory.get(id).await.unwrap().unwrap();
        assert_eq!(user.email, format!("o'{n}=--%_\\@example.com"));
        assert_eq!(
            (user.first_name.as_deref(), user.last_name.as_deref()),
            (Some(text), Some(text))
        );
    }
    assert_eq!(directory.count().await.unwrap(), 6);
}

pub(super) async fn what_breaks_a_rule_is_stored_nowhere(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let mut nul = new_user("bob@example.com", &["user"]);
    nul.first_name = Some("a\0b".into());
    let mut short = new_user("bob@example.com", &["user"]);
    short.password = "too short".into();
    let wrong = [
        new_user("bob", &["user"]),
        new_user("b\0b@example.com", &["user"]),
        new_user("bob@example.com", &[]),
        new_user("bob@example.com", &["a b"]),
        nul,
        short,
    ];
    for new in wrong {
        let refused = directory.create(new.clone()).await;
        assert!(matches!(refused, Err(UsersError::Rule(_))), "{new:?}");
    }
    assert!(matches!(directory.update(ann.id, roles(&[])).await, Err(UsersError::Rule(_))));
    let changes = UserChanges { last_name: Some("\u{1}".into()), ..Default::default() };
    assert!(matches!(directory.update(ann.id, changes).await, Err(UsersError::Rule(_))));
    let short = directory.change_password(ann.id, &"short".into()).await;
    assert!(matches!(short, Err(UsersError::Rule(_))));
    assert_eq!(directory.count().await.unwrap(), 1);
    assert_eq!(directory.get(ann.id).await.unwrap(), Some(ann));
}

async fn walk(directory: &Directory, contains: Option<&str>, limit: u32) -> Vec<Vec<String>> {
    let contains = contains.map(str::to_owned);
    let mut query = ListQuery { contains, limit, after: None };
    let mut pages = Vec::new();
    loop {
        let page = directory.list(&query).await.unwrap();
        pages.push(page.users.into_iter().map(|user| user.email).collect());
        query.after = page.next;
        if query.after.is_none() {
            return pages;
        }
    }
}

pub(super) async fn a_list_is_walked_page_by_page_without_loss(fixture: Fixture) {
    let directory = fixture.open().await;
    assert_eq!(walk(&directory, None, 10).await, [Vec::<String>::new()]);
    let mut names = Vec::new();
    for n in 0..7 {
        fixture.clock.advance(std::time::Duration::from_millis(1));
        names
            .push(add(&directory, &format!("u{}@example.com", (n * 3) % 7), &["user"]).await.email);
    }
    assert_eq!(walk(&directory, None, 7).await, [names.clone()]);
    assert_eq!(walk(&directory, None, 500).await, [names.clone()]);
    let pages = walk(&directory, None, 3).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), names);
    let first = directory.list(&ListQuery { limit: 3, ..Default::default() }).await.unwrap();
    directory.delete(first.next.unwrap()).await.unwrap();
    let rest = ListQuery { limit: 500, after: first.next, ..Default::default() };
    assert_eq!(directory.list(&rest).await.unwrap().users.len(), 4, "its cursor is gone");
}

pub(super) async fn a_search_is_literal_and_blind_to_case(fixture: Fixture) {
    let directory = fixture.open().await;
    add(&directory, "100%_a\\b@example.com", &["user"]).await;
    add(&directory, "Zoë.Özil@example.com", &["user"]).await;
    let mut new = new_user("carol@example.com", &["user"]);
    (new.first_name, new.last_name) = (Some("Carol Ann".into()), Some("Żak".into()));
    directory.create(new).await.unwrap();
    let found = async |needle: &str| walk(&directory, Some(needle), 10).await.concat().len();
    for (needle, expected) in [
        ("", 3),
        ("EXAMPLE", 3),
        ("%", 1),
        ("_", 1),
        ("\\", 1),
        ("0%_A\\B", 1),
        ("ÖZIL", 1),
        ("ann żAK", 1),
        ("carol ann", 1),
        ("1%a", 0),
        ("nobody", 0),
        ("\0", 0),
        ("'", 0),
    ] {
        assert_eq!(found(needle).await, expected, "{needle:?}");
    }
    assert_eq!(found(&"x".repeat(100_000)).await, 0);
}

pub(super) async fn the_last_admin_stays(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user", "admin"]).await;
    let bob = add(&directory, "bob@example.com", &["admin", "user"]).await;
    add(&directory, "carl@example.com", &["Admin", "administrator"]).await;
    directory.update(bob.id, disabled(true)).await.unwrap();
    assert_eq!(directory.delete(ann.id).await, Err(UsersError::LastAdmin));
    assert_eq!(
        directory.update(ann.id, roles(&["user"])).await.unwrap_err(),
        UsersError::LastAdmin
    );
    assert_eq!(directory.update(ann.id, disabled(true)).await.unwrap_err(), UsersError::LastAdmin);
    assert_eq!(directory.get(ann.id).await.unwrap(), Some(ann.clone()));
    directory.update(ann.id, roles(&["admin"])).await.unwrap();
    directory.update(bob.id, disabled(false)).await.unwrap();
    directory.delete(ann.id).await.unwrap();
    assert_eq!(directory.delete(bob.id).await, Err(UsersError::LastAdmin));
    assert_eq!(directory.delete(ann.id).await, Err(UsersError::NotFound));
}

pub(super) async fn concurrent_removals_leave_one_admin(fixture: Fixture) {
    let directory = fixture.open().await;
    for round in 0..5 {
        let mut removals = JoinSet::new();
        let mut admins = HashSet::new();
        for n in 0..12 {
            let email = format!("a{round}-{n}@example.com");
            admins.insert(add(&directory, &email, &["admin"]).await.id);
        }
        let page = directory.list(&ListQuery { limit: 500, ..Default::default() }).await.unwrap();
        let enabled = |user: &&crate::User| !user.disabled && user.roles == ["admin"];
        let ids: Vec<Uuid> = page.users.iter().filter(enabled).map(|user| user.id).collect();
        for (n, id) in ids.iter().copied().enumerate() {
            let directory = directory.clone();
            removals.spawn(async move {
                match n % 3 {
                    0 => directory.delete(id).await.map(|_| ()),
                    1 => directory.update(id, disabled(true)).await.map(|_| ()),
                    _ => directory.update(id, roles(&["user"])).await.map(|_| ()),
                }
            });
        }
        let outcomes = removals.join_all().await;
        let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert_eq!(refused, 1, "{outcomes:?}");
        assert!(outcomes.contains(&Err(UsersError::LastAdmin)));
    }
}
