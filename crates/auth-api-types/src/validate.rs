//! The question "is this token alive?", for one or for many, and its answer.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::SessionView;

/// The most tokens that one request may name.
pub const MAX_TOKENS: usize = 1024;

/// Where the validated request came from, as the asking service saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Client {
    /// The client's IP address; what is none is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The client's user agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// One token to validate, and how.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValidateItem<'a> {
    /// The token, as it came.
    #[serde(borrow)]
    pub token: Cow<'a, str>,
    /// Whether this is a use, which re-inflates (by default it is).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch: Option<bool>,
    /// Where the request came from.
    #[serde(default, deserialize_with = "client", skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// The request's id, for the logs.
    #[serde(borrow, default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Cow<'a, str>>,
}

/// The body of `POST /validateToken`: `token` or `tokens`, and what holds for every item that
/// does not say otherwise.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ValidateRequest<'a> {
    /// The one token.
    #[serde(borrow, default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub token: Option<Cow<'a, str>>,
    /// Or 1 to 1,024 of them, each a token or an object.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Vec<ItemOrToken<'a>>>,
    /// Whether this is a use, which re-inflates (by default it is).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touch: Option<bool>,
    /// Where the request came from.
    #[serde(default, deserialize_with = "client", skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// The request's id, for the logs.
    #[serde(borrow, default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Cow<'a, str>>,
}

/// An item of `tokens`: a bare token or an object.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ItemOrToken<'a> {
    /// A bare token.
    Token(Cow<'a, str>),
    /// A token and how to validate it.
    Item(ValidateItem<'a>),
}

/// Why a well-formed body is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidateRequestError {
    /// Neither `token` nor `tokens`.
    NoToken,
    /// Both `token` and `tokens`.
    Both,
    /// No item, or more than [`MAX_TOKENS`].
    Count,
}

impl<'a> ValidateRequest<'a> {
    /// Whether it is the form with `tokens`, which is answered with `results`.
    pub const fn is_batch(&self) -> bool {
        self.tokens.is_some()
    }

    /// The items, in order, and what stands beside them, once for all.
    ///
    /// # Errors
    ///
    /// Unless it is one token, or 1 to [`MAX_TOKENS`] of them.
    pub fn into_items(self) -> Result<ValidateItems<'a>, ValidateRequestError> {
        let Self { token, tokens, touch, client, request_id } = self;
        let items: Vec<ValidateItem<'a>> = match (token, tokens) {
            (None, None) => return Err(ValidateRequestError::NoToken),
            (Some(_), Some(_)) => return Err(ValidateRequestError::Both),
            (Some(token), None) => vec![ValidateItem { token, ..ValidateItem::default() }],
            (None, Some(tokens)) => tokens.into_iter().map(ItemOrToken::into_item).collect(),
        };
        if items.is_empty() || items.len() > MAX_TOKENS {
            return Err(ValidateRequestError::Count);
        }
        Ok(ValidateItems { items, touch, client, request_id })
    }
}

/// The items of a request, each with what stands beside all of them where it does not say otherwise.
/// That is never copied: a thousand items may share one that is as long as a body may be.
pub struct ValidateItems<'a> {
    items: Vec<ValidateItem<'a>>,
    touch: Option<bool>,
    client: Option<Client>,
    request_id: Option<Cow<'a, str>>,
}

impl<'a> ValidateItems<'a> {
    /// The items in order.
    pub fn items(&self) -> &[ValidateItem<'a>] {
        &self.items
    }

    /// Whether an item is a use, which re-inflates.
    pub fn touches(&self, item: &ValidateItem<'_>) -> bool {
        item.touch.or(self.touch).unwrap_or(true)
    }

    /// Where the requests of items come from that do not say it.
    pub const fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// The id of an item's request.
    pub fn request_id<'i>(&'i self, item: &'i ValidateItem<'_>) -> Option<&'i str> {
        item.request_id.as_deref().or(self.request_id.as_deref())
    }
}

impl<'a> ItemOrToken<'a> {
    fn into_item(self) -> ValidateItem<'a> {
        match self {
            Self::Token(token) => ValidateItem { token, ..ValidateItem::default() },
            Self::Item(item) => item,
        }
    }
}

/// Reads a text that may be absent, without copying it where it has no escapes: serde borrows for
/// a `Cow` by itself, but not for one within an `Option`.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|Text(text)| text))
}

/// Reads a client that may be absent, by the names of its fields alone: serde by itself would also
/// take a list for it.
pub(crate) fn client<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Client>, D::Error> {
    struct Object(Client);
    impl<'de> Deserialize<'de> for Object {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Visitor)
        }
    }
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Object;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Object, A::Error> {
            Client::deserialize(MapAccessDeserializer::new(map)).map(Object)
        }
    }
    Ok(Option::<Object>::deserialize(deserializer)?.map(|Object(client)| client))
}

impl<'de: 'a, 'a> Deserialize<'de> for ItemOrToken<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ItemOrToken<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token or an object with one")
            }
            fn visit_borrowed_str<E: de::Error>(self, token: &'de str) -> Result<Self::Value, E> {
                Ok(ItemOrToken::Token(Cow::Borrowed(token)))
            }
            fn visit_str<E: de::Error>(self, token: &str) -> Result<Self::Value, E> {
                Ok(ItemOrToken::Token(Cow::Owned(token.to_owned())))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ValidateItem::deserialize(MapAccessDeserializer::new(map)).map(ItemOrToken::Item)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Why a token is not alive. All of them are dead; the reason is for people and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not a token of ours: its form or its checksum is wrong.
    Malformed,
    /// Its time was up.
    Expired,
    /// It was ended.
    Revoked,
    /// The store knows nothing of it; also what a newer service may say that we do not know.
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// The reason as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The answer for one token, as it stands on the wire. What is neither a clear yes nor a clear no
/// must not be taken for either: a caller reads it with care, ours by `auth_http::Answer::read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict<'a> {
    /// Whether the token is alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub authenticated: Option<bool>,
    /// The session of a live token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub session: Option<SessionView<'a>>,
    /// Why it is not alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub reason: Option<Reason>,
    /// `unavailable` where the store did not answer for this token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub error: Option<Cow<'a, str>>,
}

/// The answers to a batch, in the order of its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Results<'a> {
    /// One for each item.
    pub results: Vec<Verdict<'a>>,
}

impl fmt::Debug for ValidateItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateItem")
            .field("touch", &self.touch)
            .field("client", &self.client)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ValidateRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateRequest")
            .field("tokens", &self.tokens.as_ref().map_or(1, Vec::len))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(json: &str) -> ValidateItems<'_> {
        serde_json::from_str::<ValidateRequest<'_>>(json).unwrap().into_items().unwrap()
    }

    #[test]
    fn an_item_keeps_what_it_says_and_takes_the_rest_from_beside_the_list() {
        let read = items(
            r#"{"tokens":["a",{"token":"b","touch":true,"request_id":"own"}],"touch":false,
               "request_id":"all"}"#,
        );
        let [a, b] = read.items() else { panic!("two items") };
        assert_eq!(
            (a.token.as_ref(), read.touches(a), read.request_id(a)),
            ("a", false, Some("all"))
        );
        assert_eq!(
            (b.token.as_ref(), read.touches(b), read.request_id(b)),
            ("b", true, Some("own"))
        );
        assert!(items(r#"{"token":"a"}"#).touches(a));
    }

    #[test]
    fn a_token_without_escapes_is_not_copied() {
        assert!(matches!(items(r#"{"token":"abc"}"#).items()[0].token, Cow::Borrowed("abc")));
    }

    #[test]
    fn a_list_is_neither_a_client_nor_an_item() {
        for json in [
            r#"{"token":"a","client":["192.0.2.1","b"]}"#,
            r#"{"tokens":[{"token":"a","client":["192.0.2.1","b"]}]}"#,
            r#"{"tokens":[["a",true]]}"#,
        ] {
            assert!(serde_json::from_str::<ValidateRequest<'_>>(json).is_err(), "{json}");
        }
        let items = items(r#"{"tokens":[{"token":"a","client":{"ip":"b"}}],"client":null}"#);
        assert_eq!(items.items()[0].client.as_ref().unwrap().ip.as_deref(), Some("b"));
    }

    #[test]
    fn one_and_many_together_neither_or_too_many_are_no_question() {
        let error = |json: &str| {
            serde_json::from_str::<ValidateRequest<'_>>(json).unwrap().into_items().err().unwrap()
        };
        assert_eq!(error(r#"{"token":"a","tokens":["b"]}"#), ValidateRequestError::Both);
        assert_eq!(error("{}"), ValidateRequestError::NoToken);
        assert_eq!(error(r#"{"tokens":[]}"#), ValidateRequestError::Count);
        let many = serde_json::json!({"tokens": vec!["t"; MAX_TOKENS + 1]}).to_string();
        assert_eq!(error(&many), ValidateRequestError::Count);
    }

    #[test]
    fn a_field_named_twice_is_refused_at_either_depth() {
        for json in [r#"{"token":"a","token":"a"}"#, r#"{"tokens":[{"token":"a","token":"a"}]}"#] {
            let error = serde_json::from_str::<ValidateRequest<'_>>(json).unwrap_err();
            assert!(error.to_string().contains("duplicate field `token`"), "{error}");
        }
    }
}
