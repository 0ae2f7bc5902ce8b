//! Users as JSON lines: one object a line, empty lines between them allowed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::columns::{Meaning, leave_out, meaning, refusal};
use super::{ImportedUser, Row, flag, optional, role_list};

/// No user takes more than this.
const MAX_LINE: u64 = 64 * 1024;

pub(super) struct JsonRows {
    reader: BufReader<Box<dyn Read + Send>>,
    line: u64,
    ignored: Vec<String>,
}

impl Iterator for JsonRows {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        self.row().transpose()
    }
}

impl JsonRows {
    pub(super) fn new(file: Box<dyn Read + Send>) -> Self {
        Self { reader: BufReader::new(file), line: 0, ignored: Vec::new() }
    }

    /// The keys so far that stand for nothing.
    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn row(&mut self) -> io::Result<Option<Row>> {
        let mut text = Vec::new();
        loop {
            text.clear();
            self.line += 1;
            if self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
                return Ok(None);
            }
            if text.len() as u64 == MAX_LINE && text.last() != Some(&b'\n') {
                self.reader.skip_until(b'\n')?;
                return Ok(Some(Row {
                    line: self.line,
                    user: Err("it is longer than 64 KiB".to_owned()),
                }));
            }
            let object = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text).trim_ascii();
            if !object.is_empty() {
                let user = user(object, &mut self.ignored);
                return Ok(Some(Row { line: self.line, user }));
            }
        }
    }
}

/// Typed as late as possible: serde's own messages would repeat the value.
#[derive(Default)]
struct JsonRow {
    values: [Option<Value>; 6],
    /// Why it is refused, though it is well-formed.
    refused: Option<String>,
    ignored: Vec<String>,
}

impl<'de> Deserialize<'de> for JsonRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = JsonRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRow, A::Error> {
        let mut row = JsonRow::default();
        while let Some(key) = map.next_key::<String>()? {
            let meaning = meaning(&key);
            if let Meaning::Field(field) = meaning {
                if row.values[field].replace(map.next_value()?).is_some() {
                    return Err(A::Error::custom(TWICE));
                }
                continue;
            }
            map.next_value::<IgnoredAny>()?;
            match meaning {
                Meaning::Nearly(meant) => row.refused = Some(refusal(&key, meant)),
                _ => row.ignored.push(key),
            }
        }
        Ok(row)
    }
}

/// How an error begins that is ours.
const TWICE: &str = "duplicate field";

fn user(object: &[u8], ignored: &mut Vec<String>) -> Result<ImportedUser, String> {
    let row: JsonRow = serde_json::from_slice(object).map_err(|error| reason(&error))?;
    row.ignored.iter().for_each(|key| leave_out(ignored, key));
    if let Some(reason) = row.refused {
        return Err(reason);
    }
    let [email, password_hash, first_name, last_name, roles, disabled] =
        row.values.map(Option::unwrap_or_default);
    let text = |name: &str, value: Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(format!("{name} is no text")),
    };
    let required = |name: &str, value| text(name, value)?.ok_or(format!("{name} is missing"));
    Ok(ImportedUser {
        email: required("email", email)?,
        password_hash: required("password_hash", password_hash)?.trim().to_owned(),
        first_name: text("first_name", first_name)?.as_deref().and_then(optional),
        last_name: text("last_name", last_name)?.as_deref().and_then(optional),
        roles: role_names(roles)?,
        disabled: match disabled {
            Value::Bool(disabled) => disabled,
            Value::Number(number) => flag(&number.to_string())?,
            other => flag(text("disabled", other)?.unwrap_or_default().trim())?,
        },
    })
}

fn reason(error: &serde_json::Error) -> String {
    if error.is_data() && error.to_string().starts_with(TWICE) {
        return "a field is named twice".to_owned();
    }
    format!("it is no JSON object (column {})", error.column())
}

/// `"a;b"`, or a list of texts.
fn role_names(roles: Value) -> Result<Vec<String>, String> {
    match roles {
        Value::Null => Ok(role_list("")),
        Value::String(text) => Ok(role_list(&text)),
        Value::Array(roles) if !roles.is_empty() => roles
            .into_iter()
            .map(|role| role.as_str().map(str::to_owned).ok_or("a role is no text".to_owned()))
            .collect(),
        _ => Err("roles is neither a text nor a list of texts".to_owned()),
    }
}
