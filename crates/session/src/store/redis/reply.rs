//! Replies of scripts, read strictly: one of another form is an error.

use redis::Value;

use crate::{Dead, StoreError};

/// A record without its values, and the server's time; or why there is none.
pub(super) fn state(value: &Value) -> Result<Result<(u64, &[u8]), Dead>, StoreError> {
    match value {
        Value::Int(0) => Ok(Err(Dead::Unknown)),
        Value::Int(1) => Ok(Err(Dead::Expired)),
        Value::Int(2) => Ok(Err(Dead::Replaced)),
        Value::Array(items) => match items.as_slice() {
            [now, record] => {
                let now = u64::try_from(number(now)?).map_err(|_| unreadable())?;
                Ok(Ok((now, bytes(record)?)))
            }
            _ => Err(unreadable()),
        },
        _ => Err(unreadable()),
    }
}

pub(super) fn number(value: &Value) -> Result<i64, StoreError> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(unreadable()),
    }
}

pub(super) fn bytes(value: &Value) -> Result<&[u8], StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(unreadable()),
    }
}

pub(super) fn array(value: &Value) -> Result<&[Value], StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unreadable()),
    }
}

/// The error for a record or a reply that cannot be read.
pub(super) fn unreadable() -> StoreError {
    StoreError("stored session record is unreadable".to_owned())
}
