//! Users that are services: a name that need be no address, and no password.

use super::{Fixture, PASSWORD, add, disabled, new_user, roles};
use crate::{ADMIN, NewServiceUser, Password, USER, UsersError};

fn service(name: &str, roles: &[&str]) -> NewServiceUser {
    let roles = roles.iter().map(ToString::to_string).collect();
    NewServiceUser { name: name.to_owned(), roles }
}

pub(super) async fn a_service_is_stored_as_one_and_has_no_password(fixture: Fixture) {
    let directory = fixture.open().await;
    let made = directory.create_service(service(" Deploy-Bot ", &[USER])).await.unwrap();
    assert!(made.service && made.email == "Deploy-Bot" && made.generation == 1);
    assert_eq!(directory.get(made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(directory.find("deploy-bot").await.unwrap(), Some(made.clone()));
    assert!(!add(&directory, "ann@example.com", &[USER]).await.service);
    for password in ["!", "", PASSWORD] {
        let password = Password::from(password);
        assert_eq!(directory.authenticate("deploy-bot", &password).await.unwrap(), None);
        assert_eq!(directory.verify(made.id, &password).await.unwrap(), None);
    }
    let refused = directory.change_password(made.id, &Password::from(PASSWORD)).await;
    assert!(matches!(refused, Err(UsersError::Rule(_))), "{refused:?}");
    let changed = directory.update(made.id, disabled(true)).await.unwrap();
    assert!(changed.ends_sessions && changed.user.service);
}

pub(super) async fn a_services_name_belongs_to_no_other(fixture: Fixture) {
    let directory = fixture.open().await;
    directory.create_service(service("ci@example.com", &[USER])).await.unwrap();
    let taken = directory.create(new_user("CI@example.com", &[USER])).await;
    assert!(matches!(taken, Err(UsersError::NameTaken)), "{taken:?}");
    let made = directory.create_service(service("ci", &[USER])).await.unwrap();
    let taken = directory.create_service(service("CI", &[USER])).await;
    assert!(matches!(taken, Err(UsersError::NameTaken)), "{taken:?}");
    let renamed = directory.rename(made.id, "cd").await.unwrap();
    assert!(renamed.ends_sessions && renamed.user.email == "cd");
    assert!(directory.rename(made.id, "c d").await.is_err());
    let ann = add(&directory, "ann@example.com", &[USER]).await;
    assert!(directory.rename(ann.id, "ann").await.is_err(), "a person's is an address");
}

pub(super) async fn a_service_is_not_the_admin_who_must_stay(fixture: Fixture) {
    let directory = fixture.open().await;
    let ann = add(&directory, "ann@example.com", &[ADMIN, USER]).await;
    let made = directory.create_service(service("ci", &[ADMIN])).await.unwrap();
    for refused in [
        directory.update(ann.id, roles(&[USER])).await.map(drop),
        directory.update(ann.id, disabled(true)).await.map(drop),
        directory.delete(ann.id).await.map(drop),
    ] {
        assert!(matches!(refused, Err(UsersError::LastAdmin)), "{refused:?}");
    }
    directory.update(made.id, roles(&[USER])).await.unwrap();
    directory.delete(made.id).await.unwrap();
}
