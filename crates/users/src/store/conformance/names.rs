//! User names in all their spellings, other names, and databases whose keys an older version made.

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, Connection, Executor};
use tokio::runtime::Runtime;

use super::server::Server;
use super::{Fixture, PASSWORD, add, new_user, row};
use crate::{Directory, DirectoryOptions, Imported, OpenError, UserChanges, UsersError};

const SPELLINGS: [&str; 8] = [
    "René@Bücher.example",
    "\u{a0}rené@bücher.example\u{3000}",
    "\tREN\u{c9}@B\u{dc}CHER.EXAMPLE\n",
    "rene\u{301}@bu\u{308}cher.example",
    "ｒｅｎé@bücher.example",
    "rené@xn--bcher-kva.example",
    "rené@XN--BCHER-KVA.example.",
    "re\u{200b}né\u{2060}@bücher.example",
];

pub(super) async fn white_space_around_a_name_is_stored_nowhere(fixture: Fixture) {
    let directory = fixture.open().await;
    let mut new = new_user("\u{a0} nb@example.com\u{2003}", &["user"]);
    new.first_name = Some("\u{3000}Ann ".to_owned());
    new.last_name = Some("\u{a0} ".to_owned());
    let nb = directory.create(new).await.unwrap();
    assert_eq!((&*nb.email, nb.first_name.as_deref()), ("nb@example.com", Some("Ann")));
    assert_eq!(nb.last_name, None);

    let mut imported = row("\u{1680}im@example.com ", &"0".repeat(64));
    imported.first_name = Some(" \u{a0}".to_owned());
    assert_eq!(directory.import(vec![imported]).await.unwrap(), [Imported::Created]);
    let im = directory.find("im@example.com").await.unwrap().unwrap();
    assert_eq!((&*im.email, im.first_name), ("im@example.com", None));

    let last_name = Some("\u{2028}Stone\u{2029}".to_owned());
    let changes = UserChanges { last_name, ..UserChanges::default() };
    let user = directory.update(nb.id, changes).await.unwrap().user;
    assert_eq!(user.last_name.as_deref(), Some("Stone"));
    let user = directory.rename(nb.id, "\u{a0}bn@example.com\u{3000}").await.unwrap().user;
    assert_eq!(user.email, "bn@example.com");
    for name in
        ["\tab@example.com", "ab@example.com\n", "a\u{7f}@example.com", "a\u{85}b@example.com"]
    {
        let refused = directory.create(new_user(name, &["user"])).await;
        assert!(matches!(refused, Err(UsersError::Rule(_))), "{name:?}");
    }
}

pub(super) async fn each_spelling_is_the_one_account(fixture: Fixture) {
    let directory = fixture.open().await;
    let rene = add(&directory, SPELLINGS[0], &["user"]).await;
    assert_eq!(rene.email, SPELLINGS[0], "kept as it was given");
    for spelling in SPELLINGS {
        let found = directory.find(spelling).await.unwrap();
        assert_eq!(found.as_ref(), Some(&rene), "{spelling:?}");
        let user = directory.authenticate(spelling, &PASSWORD.into()).await.unwrap();
        assert_eq!(user.as_ref(), Some(&rene), "{spelling:?}");
        let again = directory.create(new_user(spelling, &["user"])).await;
        assert!(again.is_err(), "{spelling:?}");
        let rows = directory.import(vec![row(spelling, &"0".repeat(64))]).await.unwrap();
        assert_ne!(rows, [Imported::Created], "{spelling:?}");
    }
    for part in ["RENÉ", "rene\u{301}", "ＢÜCHER"] {
        let query = crate::ListQuery { contains: Some(part.to_owned()), ..Default::default() };
        assert_eq!(directory.list(&query).await.unwrap().users.len(), 1, "{part:?}");
    }
}

pub(super) async fn another_name_ends_sessions_and_belongs_to_no_other(fixture: Fixture) {
    let directory = fixture.open_with(true).await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    add(&directory, SPELLINGS[0], &["user"]).await;
    for taken in SPELLINGS {
        let refused = directory.rename(ann.id, taken).await.unwrap_err();
        assert!(matches!(refused, UsersError::NameTaken | UsersError::Rule(_)), "{taken:?}");
    }
    assert!(matches!(directory.rename(ann.id, "ann").await, Err(UsersError::Rule(_))));
    let same = directory.rename(ann.id, "ann@example.com").await.unwrap();
    assert!(!same.ends_sessions);
    assert_eq!(directory.newest_ending().await.unwrap(), None);

    let renamed = directory.rename(ann.id, "Ann@Example.com").await.unwrap();
    assert!(renamed.ends_sessions, "sessions carry the name as it is spelled");
    let renamed = directory.rename(ann.id, "bee@example.com").await.unwrap();
    assert_eq!((renamed.user.generation, &*renamed.user.email), (3, "bee@example.com"));
    let endings = directory.endings(0, i64::MAX).await.unwrap();
    let endings: Vec<_> = endings.iter().map(|e| (e.user_id, e.generation)).collect();
    assert_eq!(endings, [(ann.id, 3), (ann.id, 2)]);
    assert_eq!(directory.find("ann@example.com").await.unwrap(), None);
    assert!(directory.authenticate("BEE@example.com", &PASSWORD.into()).await.unwrap().is_some());
    add(&directory, "ann@example.com", &["user"]).await;

    directory.ensure_demo_user().await.unwrap();
    let demo = directory.find(crate::DEMO_EMAIL).await.unwrap().unwrap();
    let refused = directory.rename(demo.id, "demo@example.com").await;
    assert!(matches!(refused, Err(UsersError::Rule(_))), "{refused:?}");
}

/// The database as the version before left it, with users of these names.
async fn made_before(fixture: &Fixture, url: &str, names: &[&str]) {
    let directory = fixture.open().await;
    for n in 0..names.len() {
        add(&directory, &format!("{n}@example.com"), &["user"]).await;
    }
    directory.close().await;
    sqlx::any::install_default_drivers();
    let mut connection = connect(url).await;
    for (n, name) in names.iter().enumerate() {
        let sql = "UPDATE users SET email = $1, email_key = $2, search_key = $3, \
                   first_name = ' A ' WHERE email_key = $4";
        let folded = name.trim().to_lowercase();
        let query = sqlx::query(sql).bind((*name).to_owned()).bind(folded.clone());
        let query = query.bind(format!("{}\n  ", name.to_lowercase()));
        query.bind(format!("{n}@example.com")).execute(&mut connection).await.unwrap();
    }
    connection.execute("DROP TABLE username_keys").await.unwrap();
    connection.execute("DELETE FROM _sqlx_migrations WHERE version = 3").await.unwrap();
    connection.close().await.unwrap();
}

async fn connect(url: &str) -> AnyConnection {
    let options: AnyConnectOptions = url.parse().unwrap();
    AnyConnection::connect_with(&options).await.unwrap()
}

async fn open(fixture: &Fixture) -> Result<Directory, OpenError> {
    let options = DirectoryOptions { database: fixture.url.clone(), ..Default::default() };
    Directory::open_existing(options, std::sync::Arc::new(fixture.clock.clone())).await
}

async fn names_of_before_are_trimmed_and_found(fixture: &Fixture, url: &str) {
    let names = ["\u{a0}nb@example.com", "Rene\u{301}@Bücher.example", "ann@example.com"];
    made_before(fixture, url, &names).await;
    let directory = open(fixture).await.unwrap();
    let nb = directory.find("nb@example.com").await.unwrap().unwrap();
    assert_eq!((&*nb.email, nb.first_name.as_deref()), ("nb@example.com", Some("A")));
    assert_eq!(nb.generation, 2, "sessions that carry the name as it was have ended");
    let rene = directory.find(SPELLINGS[5]).await.unwrap().unwrap();
    assert_eq!((&*rene.email, rene.generation), (names[1], 1));
    let endings = directory.endings(0, i64::MAX).await.unwrap();
    assert_eq!(endings.iter().map(|e| e.user_id).collect::<Vec<_>>(), [nb.id]);
    assert!(directory.authenticate(" ANN@example.com", &PASSWORD.into()).await.unwrap().is_some());
    directory.close().await;
    open(fixture).await.unwrap().close().await;
}

async fn two_accounts_of_one_name_end_the_start(fixture: &Fixture, url: &str) {
    let names = [
        "bo@example.com",
        "\u{a0}strasse@example.com",
        "straße@example.com",
        "re\u{301}@x.example",
        "ré@x.example",
    ];
    made_before(fixture, url, &names).await;
    for _ in 0..2 {
        let Err(OpenError::SameName(message)) = open(fixture).await else {
            panic!("it was opened")
        };
        assert!(message.contains("\"\\u{a0}strasse@example.com\" (id "), "{message}");
        assert!(message.contains("\"straße@example.com\" (id "), "{message}");
    }
    for (old, new) in [(names[2], "bee@example.com"), (names[4], "cid@example.com")] {
        let options = DirectoryOptions { database: fixture.url.clone(), ..Default::default() };
        let clock = std::sync::Arc::new(fixture.clock.clone());
        let directory = Directory::open_with_old_keys(options, clock).await.unwrap();
        let user = directory.find_exactly(old).await.unwrap().unwrap();
        assert_eq!(user.email, old);
        let taken = directory.rename(user.id, "BO@example.com").await;
        assert!(matches!(taken, Err(UsersError::NameTaken)));
        assert!(directory.rename(user.id, new).await.unwrap().ends_sessions);
        directory.close().await;
    }
    let directory = open(fixture).await.unwrap();
    for name in [
        "bo@example.com",
        "strasse@example.com",
        "bee@example.com",
        "ré@x.example",
        "cid@example.com",
    ] {
        assert!(directory.find(name).await.unwrap().is_some(), "{name}");
    }
    assert_eq!(directory.endings(0, i64::MAX).await.unwrap().len(), 3, "two renamed, one trimmed");
    directory.close().await;
}

async fn keys_of_a_later_version_are_for_that_one(fixture: &Fixture, url: &str) {
    fixture.open().await.close().await;
    connect(url).await.execute("UPDATE username_keys SET version = 999").await.unwrap();
    let Err(OpenError::Migration(message)) = open(fixture).await else { panic!("it was opened") };
    assert!(message.ends_with("a newer version: run that one"), "{message}");
}

#[tokio::test]
async fn a_file_of_before_gets_its_keys() {
    let home = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", home.path().join(name).display());
    names_of_before_are_trimmed_and_found(&Fixture::new(&url("a")), &url("a")).await;
    two_accounts_of_one_name_end_the_start(&Fixture::new(&url("b")), &url("b")).await;
    keys_of_a_later_version_are_for_that_one(&Fixture::new(&url("c")), &url("c")).await;
}

#[test]
fn a_postgres_of_before_gets_its_keys() {
    let Some(server) = Server::start() else { return };
    let runtime = Runtime::new().unwrap();
    let [a, b, c] = [(); 3].map(|()| server.fresh_database(&runtime));
    runtime.block_on(async {
        names_of_before_are_trimmed_and_found(&Fixture::new(&a), &a).await;
        two_accounts_of_one_name_end_the_start(&Fixture::new(&b), &b).await;
        keys_of_a_later_version_are_for_that_one(&Fixture::new(&c), &c).await;
    });
}
