//! Sessions for users that live elsewhere: what a backend asks for once it has authenticated somebody.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::validate::client;
use crate::{Client, Kind, Transport};

/// The body of `POST /sessions`. A field that is not known may be a misspelt `max_lifetime`, and is an
/// error; within `user` it is passed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(bound(deserialize = "V: Deserialize<'de>"), deny_unknown_fields)]
pub struct IssueSessionRequest<V> {
    /// Who it is.
    pub user: ExternalUser,
    /// The role to act in, one of the user's; by default the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How the token travels; by default `bearer`. A cookie's session is sliding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// By default `sliding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How long it lives (idle time of a sliding one), for example `1h`; by default that of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9]{1,5}(ms|s|m|h|d)$", example = "30s"))]
    pub ttl: Option<String>,
    /// How long it lives at most; by default that of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9]{1,5}(ms|s|m|h|d)$", example = "12h"))]
    pub max_lifetime: Option<String>,
    /// Where the login came from.
    #[serde(default, deserialize_with = "client", skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// What to keep in the session from the beginning: any JSON under keys of 1 to 64 of
    /// `A-Za-z0-9._-`, 16 KiB in all.
    #[serde(default, deserialize_with = "values", skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, V>>,
}

/// A user of a backend's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExternalUser {
    /// What the backend calls the user: 1 to 128 printable ASCII characters, neither `.` nor `..`, no
    /// blank at either end.
    #[cfg_attr(
        feature = "openapi",
        schema(
            min_length = 1,
            max_length = 128,
            pattern = "^[!-~]([ -~]*[!-~])?$",
            example = "42"
        )
    )]
    pub id: String,
    /// What the user logs in with there.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 254, example = "ann"))]
    pub username: String,
    /// What to call the user; by default the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "Ann Example")
    )]
    pub name: Option<String>,
    /// The roles, the default one first.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32, example = json!(["user"])))]
    pub roles: Vec<String>,
}

impl<V> IssueSessionRequest<V> {
    /// A bearer session for this user, with everything as it is by default.
    pub const fn new(user: ExternalUser) -> Self {
        Self {
            user,
            role: None,
            transport: None,
            kind: None,
            ttl: None,
            max_lifetime: None,
            client: None,
            values: None,
        }
    }
}

impl ExternalUser {
    /// Whether this can be the id of one.
    pub fn is_id(text: &str) -> bool {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            && text.trim_ascii() == text
            && !matches!(text, "." | "..")
    }
}

/// How many sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ended {
    /// So many that lived until now.
    pub ended: u64,
}

/// Reads values that may be absent; a key that is named twice is an error, as a field is.
fn values<'de, D, V>(deserializer: D) -> Result<Option<BTreeMap<String, V>>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct Distinct<V>(BTreeMap<String, V>);
    impl<'de, V: Deserialize<'de>> Deserialize<'de> for Distinct<V> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Visitor(PhantomData))
        }
    }
    struct Visitor<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> de::Visitor<'de> for Visitor<V> {
        type Value = Distinct<V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Distinct<V>, A::Error> {
            let mut distinct = BTreeMap::new();
            while let Some((key, value)) = map.next_entry()? {
                if distinct.insert(key, value).is_some() {
                    return Err(de::Error::duplicate_field("values"));
                }
            }
            Ok(Distinct(distinct))
        }
    }
    Ok(Option::<Distinct<V>>::deserialize(deserializer)?.map(|Distinct(values)| values))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(rest: &str) -> Result<IssueSessionRequest<Value>, String> {
        let user = r#"{"id":"42","username":"ann","roles":["user"]}"#;
        serde_json::from_str(&format!(r#"{{"user":{user}{rest}}}"#)).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_absent_is_left_to_the_service() {
        let request = read("").unwrap();
        assert!(request.role.is_none() && request.values.is_none() && request.client.is_none());
        let written = serde_json::to_string(&request).unwrap();
        assert_eq!(written, r#"{"user":{"id":"42","username":"ann","roles":["user"]}}"#);
    }

    #[test]
    fn values_are_an_object_in_which_each_key_stands_once() {
        assert_eq!(read(r#","values":{"a":1,"b":null}"#).unwrap().values.unwrap().len(), 2);
        assert!(read(r#","values":null"#).unwrap().values.is_none());
        let twice = read(r#","values":{"a":1,"a":1}"#).unwrap_err();
        assert!(twice.starts_with("duplicate field `values`"), "{twice}");
        assert!(read(r#","values":[["a",1]]"#).is_err());
    }
}
