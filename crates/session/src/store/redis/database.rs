//! Which users' database the sessions belong to, and how far its endings were followed.
//!
//! Both are keys that do not expire, and are lost only where the sessions are lost. Their names begin as others do,
//! so that the rights that Redis was given for us go on being enough.

use redis::Value;
use uuid::Uuid;

use super::scripts::SWAP_CHECKPOINT;
use super::{RedisStore, reply};
use crate::StoreError;
use crate::redis_connection::ScriptRequest;

/// The id of the users' database.
const IDENTITY: &[u8] = b"known:database";
/// How far its endings were followed.
const BOOKMARK: &[u8] = b"known:endings";
/// What the names of checkpoints begin with.
const CHECKPOINT: &str = "known:checkpoint:";
/// What `INFO` calls the history of a server.
const REPLICATION_ID: &str = "master_replid:";

impl RedisStore {
    pub(super) async fn read_identity(&self) -> Result<Option<Uuid>, StoreError> {
        let Some(text) = self.text(IDENTITY).await? else {
            return Ok(None);
        };
        let unreadable = || StoreError("stored id of the user database is unreadable".to_owned());
        text.parse().map(Some).map_err(|_| unreadable())
    }

    /// Stores the id where there is none.
    pub(super) async fn adopt_identity(&self, id: Uuid) -> Result<Uuid, StoreError> {
        let request = ScriptRequest::command("SETNX", IDENTITY).arg(id.to_string());
        self.connection.run_one(request).await?;
        self.read_identity().await?.ok_or_else(reply::unreadable)
    }

    /// Stores the id whatever there is, without what was followed of another database. A replica
    /// that takes over must not bring back the old one.
    pub(super) async fn replace_identity(&self, id: Uuid) -> Result<(), StoreError> {
        self.connection.run_one(ScriptRequest::command("DEL", BOOKMARK)).await?;
        let request = ScriptRequest::command("SET", IDENTITY).arg(id.to_string());
        self.connection.run_one_durably(request).await.map(|_| ())
    }

    pub(super) async fn read_bookmark(&self) -> Result<Option<String>, StoreError> {
        self.text(BOOKMARK).await
    }

    pub(super) async fn write_bookmark(&self, text: &str) -> Result<(), StoreError> {
        self.connection.run_one(ScriptRequest::command("SET", BOOKMARK).arg(text)).await.map(|_| ())
    }

    pub(super) async fn read_checkpoint(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.text(format!("{CHECKPOINT}{name}").as_bytes()).await
    }

    pub(super) async fn replace_checkpoint(
        &self,
        name: &str,
        before: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        let key = format!("{CHECKPOINT}{name}");
        let request = ScriptRequest::on(&SWAP_CHECKPOINT, key.as_bytes());
        let request = request.arg(before.unwrap_or_default()).arg(text);
        Ok(reply::number(&self.connection.run_one(request).await?)? == 1)
    }

    /// The replication ids of all servers that keep keys: another one means that a server may have
    /// lost what it had.
    pub(super) async fn replication_ids(&self) -> Option<String> {
        let answers =
            self.connection.run_on_all(|| ScriptRequest::command("INFO", b"replication")).await;
        let ids: Option<Vec<String>> = answers
            .iter()
            .map(|answer| replication_id(answer.as_ref().ok()?).map(str::to_owned))
            .collect();
        let mut ids = ids.filter(|ids| !ids.is_empty())?;
        ids.sort_unstable();
        Some(ids.join(","))
    }

    async fn text(&self, key: &[u8]) -> Result<Option<String>, StoreError> {
        let read = self.connection.run_one(ScriptRequest::command("GET", key)).await;
        match read.map_err(|error| if is_other_type(&error) { no_text(key) } else { error })? {
            Value::Nil => Ok(None),
            value => {
                let text = std::str::from_utf8(reply::bytes(&value)?).map_err(|_| no_text(key))?;
                Ok(Some(text.to_owned()))
            }
        }
    }
}

fn is_other_type(error: &StoreError) -> bool {
    error.0.contains("WRONGTYPE")
}

/// The error for a key that somebody else wrote, which names it: deleted, it holds up nobody.
fn no_text(key: &[u8]) -> StoreError {
    let key = String::from_utf8_lossy(key);
    StoreError(format!("the key {key} holds something that is none of ours; delete it"))
}

fn replication_id(info: &Value) -> Option<&str> {
    let text = match info {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::VerbatimString { text, .. } => text,
        _ => return None,
    };
    let id = text.lines().find_map(|line| line.strip_prefix(REPLICATION_ID))?.trim();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_known_only_where_the_server_names_one() {
        let info = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let reply =
            info("# Replication\r\nrole:master\r\nmaster_replid:8371b4\r\nmaster_replid2:0\r\n");
        assert_eq!(replication_id(&reply), Some("8371b4"));
        for none in [info(""), info("master_replid:\r\n"), info("master_replid2:1\r\n"), Value::Nil]
        {
            assert_eq!(replication_id(&none), None);
        }
    }
}
