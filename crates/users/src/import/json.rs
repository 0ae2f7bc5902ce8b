//! Users as JSON lines: one object a line, empty lines between them allowed.

use std::io::{self, BufRead, BufReader, Read};

use serde::Deserialize;
use serde_json::Value;

use super::{ImportedUser, Row, flag, optional, role_list};

/// No user takes more than this.
const MAX_LINE: u64 = 64 * 1024;

pub(super) struct JsonRows {
    reader: BufReader<Box<dyn Read + Send>>,
    line: u64,
}

impl Iterator for JsonRows {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        self.row().transpose()
    }
}

impl JsonRows {
    pub(super) fn new(file: Box<dyn Read + Send>) -> Self {
        Self { reader: BufReader::new(file), line: 0 }
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
                return Ok(Some(Row { line: self.line, user: user(object) }));
            }
        }
    }
}

/// Typed as late as possible: serde's own messages would repeat the value.
#[derive(Deserialize)]
struct JsonRow {
    #[serde(default)]
    email: Value,
    #[serde(default)]
    password_hash: Value,
    #[serde(default)]
    first_name: Value,
    #[serde(default)]
    last_name: Value,
    #[serde(default)]
    roles: Value,
    #[serde(default)]
    disabled: Value,
}

fn user(object: &[u8]) -> Result<ImportedUser, String> {
    let row: JsonRow = serde_json::from_slice(object).map_err(|error| reason(&error))?;
    let text = |name: &str, value: Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(format!("{name} is no text")),
    };
    let required = |name: &str, value| text(name, value)?.ok_or(format!("{name} is missing"));
    Ok(ImportedUser {
        email: required("email", row.email)?,
        password_hash: required("password_hash", row.password_hash)?.trim().to_owned(),
        first_name: text("first_name", row.first_name)?.as_deref().and_then(optional),
        last_name: text("last_name", row.last_name)?.as_deref().and_then(optional),
        roles: role_names(row.roles)?,
        disabled: match row.disabled {
            Value::Bool(disabled) => disabled,
            Value::Number(number) => flag(&number.to_string())?,
            other => flag(text("disabled", other)?.unwrap_or_default().trim())?,
        },
    })
}

fn reason(error: &serde_json::Error) -> String {
    if error.is_data() && error.to_string().starts_with("duplicate field") {
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
