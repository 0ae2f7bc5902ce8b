//! Warnings of settings with which a server may lose sessions.

use redis::Value;

/// What the replies to `INFO` give reason to warn of, each once, in words for the operator.
pub(super) fn warnings<'a>(infos: impl Iterator<Item = &'a Value>, wait: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for info in infos.filter_map(text) {
        for warning in warnings_of(info, wait) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    warnings
}

fn warnings_of(info: &str, wait: bool) -> Vec<String> {
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let mut warnings = Vec::new();
    let limited = field("maxmemory").is_some_and(|bytes| bytes != "0");
    if let Some(policy) =
        field("maxmemory_policy").filter(|policy| *policy != "noeviction" && limited)
    {
        warnings.push(format!(
            "maxmemory-policy is {policy}: live sessions may be dropped when memory is short; \
             noeviction keeps them"
        ));
    }
    let alone = field("connected_slaves") == Some("0");
    if field("aof_enabled") == Some("0") {
        warnings.push(
            "appendonly is off: what was issued or ended since the last snapshot comes undone in a crash"
                .to_owned(),
        );
    }
    if alone {
        warnings
            .push("there is no replica: sessions are unavailable while the server is".to_owned());
    }
    if alone && wait {
        warnings
            .push("AUTH_REDIS_WAIT is on and there is no replica: no user can log out".to_owned());
    }
    warnings
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_lose_sessions_is_warned_of() {
        let safe = "maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:1\r\nconnected_slaves:1\r\n";
        assert_eq!(warnings_of(safe, true), Vec::<String>::new());
        let risky = "maxmemory:9\r\nmaxmemory_policy:volatile-ttl\r\naof_enabled:0\r\nconnected_slaves:0\r\n";
        assert_eq!(warnings_of(risky, false).len(), 3);
        assert_eq!(warnings_of(risky, true).len(), 4);
        assert_eq!(warnings_of("", true), Vec::<String>::new());
    }
}
