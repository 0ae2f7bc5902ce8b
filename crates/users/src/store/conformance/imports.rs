//! Users from elsewhere, with the hashes they had there.

use super::{Fixture, PASSWORD, add, row, stored_hash};
use crate::Imported;

/// Each is the hash of `PASSWORD`, made by another implementation than ours.
const HASHES: [&str; 15] = [
    "80f381f4dfc373e8be49ed1198a11d8f81ced7e0a96802e417c04f99e749b088",
    "80F381F4DFC373E8BE49ED1198A11D8F81CED7E0A96802E417C04F99E749B088",
    "sha256$NaCl$6b9e4117fc15e8ae3da5c81e98195b2103c4b0609aef3d938d7ad1a46a89b1cb",
    "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$d6NADfMPE531vzi4GuVmoPSZ53uEvBzzQdkmHsoVziM",
    "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw$d6NADfMPE531vzi4GuVmoPSZ53uEvBzzQdkmHsoVziM",
    "$pbkdf2-sha256$1000$....................$2IgLbIEBnk94LAzoj6rIEJwJBJSfvKv.Kce82y2PqIs",
    "$2a$04$D/4SrFx0QZv/U5JWEM4HyulPDGhTqHODzqIx1PlCBe6I6D6ZrBIpq",
    "$2b$04$JlNnIPeJv1asKmRcQbTxQuNukHniwvwnOvTjkdFMwlVfxaX1/MBQy",
    "$2y$04$abcdefghijklmnopqrstuujtXMPW75tQJiPKG9HArcGVRyO.qlbsK",
    "$argon2i$v=19$m=64,t=2,p=1$c29tZSBzYWx0IG9mIDE2IQ$pXbc3KoPMwkBLKy+jkcBBFuXjjmzu7LSH2d8X01IfnU",
    "$argon2d$v=16$m=32,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ$ayQePorlntUzBfhSMIxsWH67erz8bcj+XFkpYVFXFqk",
    "$argon2d$m=32,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ$ayQePorlntUzBfhSMIxsWH67erz8bcj+XFkpYVFXFqk",
    "$argon2id$v=19$m=64,t=3,p=2$c29tZSBzYWx0IG9mIDE2IQ$E6eIu2McQobXVWbfYnmekyQpPcESTJNzKyyf+xsltag",
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIDE2IQ$olTD4IoOwCLfaLJ6U9N5azzWQ+UxXgbclBaKXYCpH/g",
    "$argon2id$v=19$m=16,t=1,p=1$c29tZSBzYWx0IG9mIDE2IQ$7/hyE9kCYph59/+6xJbhrQ",
];

pub(super) async fn each_kind_of_hash_opens_and_is_replaced_by_argon2id(fixture: Fixture) {
    let directory = fixture.open().await;
    for (n, hash) in HASHES.into_iter().enumerate() {
        let name = format!("u{n}@example.com");
        assert_eq!(directory.import(vec![row(&name, hash)]).await.unwrap(), [Imported::Created]);
        let before = directory.find(&name).await.unwrap().unwrap();
        let wrong = directory.authenticate(&name, &"wrong".into()).await.unwrap();
        assert_eq!(wrong, None, "{hash}");
        assert_eq!(stored_hash(&directory, before.id).await, hash, "a wrong one replaces nothing");
        let user = directory.authenticate(&name, &PASSWORD.into()).await.unwrap();
        assert_eq!(user.as_ref(), Some(&before), "{hash}");
        let after = stored_hash(&directory, before.id).await;
        assert!(after.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{after}");
        assert_eq!(directory.get(before.id).await.unwrap(), Some(before.clone()), "ends nothing");
        assert!(directory.verify(before.id, &PASSWORD.into()).await.unwrap().is_some());
        assert_eq!(stored_hash(&directory, before.id).await, after, "once is enough");
    }
    assert_eq!(directory.newest_ending().await.unwrap(), None);
}

pub(super) async fn an_import_may_be_repeated(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &["user"]).await;
    let hash = "0".repeat(64);
    let mut rows: Vec<_> = (0..2500).map(|n| row(&format!("u{n}@example.com"), &hash)).collect();
    rows[7].disabled = true;
    rows.insert(1200, row("ANN@example.com", &hash));
    let first = directory.import(rows.clone()).await.unwrap();
    assert_eq!(first.iter().filter(|outcome| **outcome == Imported::Created).count(), 2500);
    assert_eq!(first[1200], Imported::AlreadyThere);
    assert_eq!(directory.get(ann.id).await.unwrap(), Some(ann));
    assert!(directory.find("u7@example.com").await.unwrap().unwrap().disabled);
    let again = directory.import(rows).await.unwrap();
    assert!(again.len() == 2501 && again.iter().all(|outcome| *outcome == Imported::AlreadyThere));
    assert_eq!(directory.count().await.unwrap(), 2501);
}

pub(super) async fn a_refused_row_does_not_keep_the_others_out(fixture: Fixture) {
    let directory = fixture.open().await;
    let good = "0".repeat(64);
    let mut no_roles = row("d@example.com", &good);
    no_roles.roles.clear();
    let rows = vec![
        row("a@example.com", &good),
        row("nobody", &good),
        row("b@example.com", "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
        row("c@example.com", "plain text"),
        no_roles,
        row("n\0l@example.com", &good),
        row("A@example.com", &good),
        row("e@example.com", &good),
    ];
    let outcomes = directory.import(rows).await.unwrap();
    let refused: Vec<bool> = outcomes.iter().map(|o| matches!(o, Imported::Refused(_))).collect();
    assert_eq!(refused, [false, true, true, true, true, true, false, false]);
    assert_eq!(outcomes[6], Imported::AlreadyThere, "the same name twice in one file");
    assert_eq!(directory.count().await.unwrap(), 2);
    let reasons = format!("{outcomes:?}");
    assert!(!reasons.contains("plain text") && !reasons.contains("c2FsdHNhbHQ"), "{reasons}");
}

pub(super) async fn a_hash_that_costs_too_much_is_never_computed(fixture: Fixture) {
    let directory = fixture.open().await;
    let good = "0".repeat(64);
    directory.import(vec![row("ann@example.com", &good)]).await.unwrap();
    let ann = directory.find("ann@example.com").await.unwrap().unwrap();
    let mut stored = good;
    for (costly, figure) in [
        (
            "$argon2id$v=19$m=1048576,t=50,p=1$c29tZSBzYWx0IG9mIDE2IQ$7/hyE9kCYph59/+6xJbhrQ",
            "1048576 KiB of memory times 50 passes",
        ),
        ("$2b$18$abcdefghijklmnopqrstuujtXMPW75tQJiPKG9HArcGVRyO.qlbsK", "cost 18"),
        ("$pbkdf2-sha256$4294967295$AAECAwQF$AAECAwQFBgcICQoLDA0ODw", "4294967295 rounds"),
    ] {
        let refused = directory.import(vec![row("bob@example.com", costly)]).await.unwrap();
        let [Imported::Refused(reason)] = &refused[..] else { panic!("{refused:?}") };
        assert!(reason.contains(figure) && !reason.contains('$'), "{reason}");
        assert!(directory.replace(ann.id, &stored, costly).await);
        costly.clone_into(&mut stored);
        let password = PASSWORD.into();
        let login = directory.authenticate("ann@example.com", &password);
        let login = tokio::time::timeout(std::time::Duration::from_secs(20), login).await;
        assert_eq!(login.unwrap_or_else(|_| panic!("{costly} is computed")).unwrap(), None);
    }
    directory.change_password(ann.id, &PASSWORD.into()).await.unwrap();
    assert!(directory.verify(ann.id, &PASSWORD.into()).await.unwrap().is_some(), "the way out");
}

pub(super) async fn an_upgrade_does_not_undo_a_change_of_password(fixture: Fixture) {
    let directory = fixture.open().await;
    directory.import(vec![row("ann@example.com", &"0".repeat(64))]).await.unwrap();
    let ann = directory.find("ann@example.com").await.unwrap().unwrap();
    let old = stored_hash(&directory, ann.id).await;
    directory.change_password(ann.id, &PASSWORD.into()).await.unwrap();
    let new = stored_hash(&directory, ann.id).await;
    assert!(!directory.replace(ann.id, &old, "late").await);
    assert_eq!(stored_hash(&directory, ann.id).await, new);
    assert!(directory.replace(ann.id, &new, "in time").await);
    assert_eq!(stored_hash(&directory, ann.id).await, "in time");
}
