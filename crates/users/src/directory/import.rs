//! Storing users of another system, with the hashes that it made.

use super::Directory;
use crate::store::Record;
use crate::{Imported, ImportedUser, UsersError};

/// Rows written in one transaction.
const BATCH: usize = 1000;

impl Directory {
    /// Stores users from elsewhere and tells of each, in order, what became of it. A name that is
    /// there already is left as it is, so the same rows may be imported again. Hand over some
    /// thousands at a time: they are written a thousand in a transaction.
    ///
    /// # Errors
    /// `Unavailable`: rows before may have been stored. Importing all of them again is safe.
    pub async fn import(&self, rows: Vec<ImportedUser>) -> Result<Vec<Imported>, UsersError> {
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let batch: Vec<_> = rows.by_ref().take(BATCH).map(|row| self.record(row)).collect();
            outcomes.extend(self.store_batch(batch).await?);
        }
        Ok(outcomes)
    }

    async fn store_batch(
        &self,
        batch: Vec<Result<Record, String>>,
    ) -> Result<Vec<Imported>, UsersError> {
        let records: Vec<Record> = batch.iter().flatten().cloned().collect();
        let mut stored = self.inner.store.insert_many(&records).await?.into_iter();
        let outcome = |row: Result<Record, String>| match row {
            Err(reason) => Imported::Refused(reason),
            Ok(_) if stored.next() == Some(true) => Imported::Created,
            Ok(_) => Imported::AlreadyThere,
        };
        Ok(batch.into_iter().map(outcome).collect())
    }

    fn record(&self, row: ImportedUser) -> Result<Record, String> {
        self.inner.hasher.check(&row.password_hash).map_err(|error| error.to_string())?;
        if row.roles.iter().any(|role| role.contains(',')) {
            return Err("roles are separated by ';', not by ','".to_owned());
        }
        let mut user = self
            .fresh(&row.email, row.first_name, row.last_name, row.roles)
            .map_err(|error| error.to_string())?;
        user.disabled = row.disabled;
        Ok(Record { user, password_hash: row.password_hash })
    }
}
