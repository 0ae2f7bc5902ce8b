//! Questions: a head with their number, then one after the other.

use std::borrow::Cow;

use super::{PackedError, Rest, VERSION, write_head, write_text};
use crate::json::text_len;
use crate::{Client, ItemOrToken, ValidateItem, ValidateRequest};

/// The bytes of a body before its first question.
pub const HEAD: usize = 4;

/// Bits of a question's first byte: whether it is a use, and which texts follow its token, in this
/// order.
const TOUCH: u8 = 1;
const IP: u8 = 1 << 1;
const USER_AGENT: u8 = 1 << 2;
const REQUEST_ID: u8 = 1 << 3;
const KNOWN: u8 = TOUCH | IP | USER_AGENT | REQUEST_ID;

/// The bytes of the shortest question.
const SHORTEST: usize = 5;

/// Asks whether one token is alive.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The token, as it came.
    pub token: &'a str,
    /// Whether this is a use, which re-inflates.
    pub touch: bool,
    /// The client's IP address.
    pub ip: Option<&'a str>,
    /// The client's user agent.
    pub user_agent: Option<&'a str>,
    /// The request's id, for the logs.
    pub request_id: Option<&'a str>,
}

impl Question<'_> {
    /// Appends it to a body that [`open_request`] has begun.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        out.push(
            bit(self.touch, TOUCH)
                | bit(self.ip.is_some(), IP)
                | bit(self.user_agent.is_some(), USER_AGENT)
                | bit(self.request_id.is_some(), REQUEST_ID),
        );
        write_text(out, self.token);
        for text in [self.ip, self.user_agent, self.request_id].into_iter().flatten() {
            write_text(out, text);
        }
    }

    /// The bytes that it takes packed.
    pub fn packed_len(&self) -> usize {
        let texts = [Some(self.token), self.ip, self.user_agent, self.request_id];
        1 + texts.into_iter().flatten().map(|text| 4 + text.len()).sum::<usize>()
    }

    /// The bytes that it takes as JSON, as an item of `tokens` or as a body of its own.
    pub fn json_len(&self) -> usize {
        let member = |name: &str, text: Option<&str>| {
            text.map_or(0, |text| ",\"\":".len() + name.len() + text_len(text))
        };
        let client = member("ip", self.ip) + member("user_agent", self.user_agent);
        // Within `client`, no comma stands before the first.
        let client = if client > 0 { ",\"client\":{}".len() + client - 1 } else { 0 };
        let touch = if self.touch { 0 } else { ",\"touch\":false".len() };
        let token = "{\"token\":}".len() + text_len(self.token);
        token + touch + client + member("request_id", self.request_id)
    }
}

/// Begins a body of so many questions.
pub fn open_request(out: &mut Vec<u8>, count: usize) {
    write_head(out, count);
}

/// Reads a body, to what the same questions in JSON are read to. Tokens and ids are not copied.
///
/// # Errors
///
/// [`PackedError::Unknown`] where the asker had better ask in JSON, and [`PackedError::Malformed`] where
/// it is no body of questions.
pub fn read_request(bytes: &[u8]) -> Result<ValidateRequest<'_>, PackedError> {
    let mut rest = Rest(bytes);
    let [version, flags] = rest.array().ok_or(PackedError::Malformed)?;
    if version != VERSION || flags != 0 {
        return Err(PackedError::Unknown);
    }
    let count = rest.u16().map(usize::from).ok_or(PackedError::Malformed)?;
    let mut tokens = Vec::with_capacity(count.min(rest.0.len() / SHORTEST));
    for _ in 0..count {
        tokens.push(ItemOrToken::Item(item(&mut rest)?));
    }
    if !rest.is_empty() {
        return Err(PackedError::Malformed);
    }
    Ok(ValidateRequest { tokens: Some(tokens), ..ValidateRequest::default() })
}

fn item<'a>(rest: &mut Rest<'a>) -> Result<ValidateItem<'a>, PackedError> {
    let flags = rest.u8().ok_or(PackedError::Malformed)?;
    if flags & !KNOWN != 0 {
        return Err(PackedError::Unknown);
    }
    let token = rest.text().ok_or(PackedError::Malformed)?;
    let mut text = |bit: u8| match flags & bit {
        0 => Ok(None),
        _ => rest.text().map(Some).ok_or(PackedError::Malformed),
    };
    let (ip, user_agent, request_id) = (text(IP)?, text(USER_AGENT)?, text(REQUEST_ID)?);
    let client = || Client { ip: ip.map(str::to_owned), user_agent: user_agent.map(str::to_owned) };
    Ok(ValidateItem {
        token: Cow::Borrowed(token),
        touch: (flags & TOUCH == 0).then_some(false),
        client: (flags & (IP | USER_AGENT) != 0).then(client),
        request_id: request_id.map(Cow::Borrowed),
    })
}
