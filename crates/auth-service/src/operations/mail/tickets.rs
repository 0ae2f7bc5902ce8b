//! What a mail's ticket does, once: another password, an account, another address.

use session::{Cause, Ending, EventContext};
use users::{Password, Ticket, TicketPurpose, UsersError};

use super::mail_of;
use crate::audit;
use crate::operations::client::Client;
use crate::operations::{Domain, Error, Fault, Field};

/// What a ticket is good for now. Looking does not use it.
pub(crate) async fn purpose(domain: &Domain, ticket: &str) -> Result<TicketPurpose, Error> {
    mail_of(domain)?;
    let ticket = Ticket::read(ticket).ok_or(Error::NotFound)?;
    Ok(domain.users.ticket_purpose(&ticket).await?)
}

/// Sets another password and ends all of the user's sessions. A password that breaks a rule leaves the
/// ticket good.
pub(crate) async fn reset(
    domain: &Domain,
    ticket: &str,
    new: Password,
    client: &Client,
) -> Result<(), Error> {
    mail_of(domain)?;
    let ticket = Ticket::read(ticket).ok_or(Error::NotFound)?;
    let users = domain.users.for_network(client.hashing_share());
    let prepared = users.prepare_reset(&ticket, &new).await?;
    let user = users.reset_password(prepared).await?;
    audit::password_reset(domain, &user, client).await;
    let ending = Ending { below_generation: Some(user.generation), keep: None };
    let context = EventContext::of_client(Cause::PasswordChanged, client.seen_at());
    domain.sessions.end_all(user.id, ending, &context).await?;
    Ok(())
}

/// Makes the account that a sign-up asked for, or another address the user's name.
pub(crate) async fn verify(
    domain: &Domain,
    ticket: &str,
    password: Option<Password>,
    client: &Client,
) -> Result<(), Error> {
    mail_of(domain)?;
    let ticket = Ticket::read(ticket).ok_or(Error::NotFound)?;
    match domain.users.ticket_purpose(&ticket).await? {
        TicketPurpose::SignUp => verify_sign_up(domain, &ticket, password, client).await,
        TicketPurpose::ChangeAddress => verify_address(domain, &ticket, client).await,
        TicketPurpose::Reset => Err(Error::NotFound),
    }
}

async fn verify_sign_up(
    domain: &Domain,
    ticket: &Ticket,
    password: Option<Password>,
    client: &Client,
) -> Result<(), Error> {
    let password = password.ok_or(const { Field::new("password", Fault::Missing) })?;
    let users = domain.users.for_network(client.hashing_share());
    match users.verify_sign_up(ticket, &password).await? {
        Some(user) => {
            audit::user_created(domain, &user, None, client).await;
            Ok(())
        }
        None => Err(Field::new("password", Fault::Wrong).into()),
    }
}

async fn verify_address(domain: &Domain, ticket: &Ticket, client: &Client) -> Result<(), Error> {
    let (updated, spared) = match domain.users.verify_address(ticket).await {
        Err(UsersError::NameTaken) => {
            return Err(Error::Conflict("somebody has taken this address meanwhile"));
        }
        verified => verified?,
    };
    let user = updated.user;
    audit::email_verified(domain, &user, client).await;
    let keep = spared.map(Into::into);
    let ending = Ending { below_generation: Some(user.generation), keep };
    let context = EventContext::of_client(Cause::EmailChanged, client.seen_at());
    domain.sessions.end_all(user.id, ending, &context).await?;
    Ok(())
}
