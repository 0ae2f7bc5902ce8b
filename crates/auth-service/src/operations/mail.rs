//! What accounts do by mail: what is asked for, what a mail's ticket does, and the sender of mails.

pub(crate) mod devices;
pub(crate) mod requests;
pub(crate) mod sender;
pub(crate) mod tickets;

use super::{Domain, Error};
use crate::mail::Mail;

/// Mail, where the service sends any.
///
/// # Errors
///
/// `NotFound` where it does not: nothing leads here then.
fn mail_of(domain: &Domain) -> Result<&Mail, Error> {
    domain.mail.as_ref().ok_or(Error::NotFound)
}
