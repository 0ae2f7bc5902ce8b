//! How many sessions there are, without going through them.

use redis::Value;

use super::scripts::COUNT;
use super::{RedisStore, SESSION, reply};
use crate::StoreError;
use crate::redis_connection::ScriptRequest;

/// How many keys are drawn by chance.
const DRAWS: u64 = 400;

impl RedisStore {
    /// What part of some keys that are drawn by chance are sessions, of all keys there are: off by
    /// some percent, and by nothing where there are few keys, since then all of them are drawn.
    pub(super) async fn estimate(&self) -> Result<u64, StoreError> {
        let request = || ScriptRequest::on_all(&COUNT, &[]).arg(DRAWS).arg(SESSION);
        let mut count = 0;
        for answer in self.connection.run_on_all(request).await {
            count += estimated(&answer?)?;
        }
        Ok(count)
    }
}

fn estimated(answer: &Value) -> Result<u64, StoreError> {
    let number = |at: usize| {
        let value = reply::array(answer)?.get(at).ok_or_else(reply::unreadable)?;
        u64::try_from(reply::number(value)?).map_err(|_| reply::unreadable())
    };
    let (keys, different, sessions, hits) = (number(0)?, number(1)?, number(2)?, number(3)?);
    // So few that each of them came up many times: none is missing.
    if different * 10 <= DRAWS {
        return Ok(sessions);
    }
    let part = u128::from(keys) * u128::from(hits) / u128::from(DRAWS);
    Ok(u64::try_from(part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(numbers: [i64; 4]) -> Value {
        Value::Array(numbers.map(Value::Int).into())
    }

    #[test]
    fn few_keys_are_counted_and_many_are_estimated() {
        assert_eq!(estimated(&answer([9, 7, 4, 210])).unwrap(), 4);
        assert_eq!(estimated(&answer([0, 0, 0, 0])).unwrap(), 0);
        assert_eq!(estimated(&answer([4_000_000, 400, 200, 200])).unwrap(), 2_000_000);
        assert!(estimated(&Value::Nil).is_err());
        assert!(estimated(&answer([-1, 0, 0, 0])).is_err());
    }
}
