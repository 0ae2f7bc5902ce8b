//! Reading users that another system stored: CSV with a header, or JSON lines. Nothing is stored here.
//!
//! A row that cannot be understood is reported with its line and a reason that repeats nothing of it,
//! and the next one is read.

mod columns;
mod csv;
mod json;

use std::fmt;
use std::io::{self, Read};

use self::csv::CsvRows;
use self::json::JsonRows;
use crate::USER;

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, the first line naming the columns.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A user as another system stored it.
#[derive(Clone)]
pub struct ImportedUser {
    /// The user name, an e-mail address.
    pub email: String,
    /// The hash of the password, of a kind that is recognised.
    pub password_hash: String,
    /// What the user is called.
    pub first_name: Option<String>,
    /// The family's name.
    pub last_name: Option<String>,
    /// The roles, in order; `user` where the file names none.
    pub roles: Vec<String>,
    /// Whether logging in is refused.
    pub disabled: bool,
}

/// What became of an imported user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// Stored.
    Created,
    /// Somebody of that name was there, and is as before.
    AlreadyThere,
    /// Not stored, for this reason.
    Refused(String),
}

/// A row of the file.
#[derive(Debug)]
pub struct Row {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The user, or why the row is none.
    pub user: Result<ImportedUser, String>,
}

/// The rows of a file, one after the other. After an error there is nothing more to read.
pub struct Rows(Source);

enum Source {
    Csv(Box<CsvRows>),
    Json(JsonRows),
}

impl Rows {
    /// Begins to read `file`.
    ///
    /// # Errors
    /// Where the file cannot be read, or is CSV without a header that names `email` and
    /// `password_hash`, with one that names a column twice, or with a column that is nearly called
    /// like one of a user's.
    pub fn new(file: Box<dyn Read + Send>, format: Format) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Csv => Source::Csv(Box::new(CsvRows::new(file)?)),
            Format::JsonLines => Source::Json(JsonRows::new(file)),
        }))
    }

    /// The first columns or keys so far that have no meaning here and are skipped, quoted.
    pub fn ignored(&self) -> &[String] {
        match &self.0 {
            Source::Csv(rows) => rows.ignored(),
            Source::Json(rows) => rows.ignored(),
        }
    }
}

impl Iterator for Rows {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        match &mut self.0 {
            Source::Csv(rows) => rows.next(),
            Source::Json(rows) => rows.next(),
        }
    }
}

impl fmt::Debug for ImportedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedUser").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Roles separated by `;`. None at all are the one of somebody who is given no other.
fn role_list(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return vec![USER.to_owned()];
    }
    text.split(';').map(|role| role.trim().to_owned()).collect()
}

fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err("disabled is neither true nor false".to_owned()),
    }
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], format: Format) -> Vec<Row> {
        let file = Box::new(io::Cursor::new(text.to_vec()));
        Rows::new(file, format).unwrap().map(Result::unwrap).collect()
    }

    fn refused(row: &Row) -> &str {
        row.user.as_ref().unwrap_err()
    }

    #[test]
    fn csv_is_read_by_the_names_of_its_columns() {
        let text = "\u{feff}roles, password_hash ,email,unknown,first_name,disabled\r\n\
            admin;user,h1,ann@example.com,x,\"Ann, \"\"A\"\"\nB\",TRUE\r\n,h2,bob@example.com,,,\n";
        let rows = rows(text.as_bytes(), Format::Csv);
        let ann = rows[0].user.as_ref().unwrap();
        assert_eq!((ann.email.as_str(), ann.password_hash.as_str()), ("ann@example.com", "h1"));
        assert_eq!(ann.first_name.as_deref(), Some("Ann, \"A\"\nB"));
        assert_eq!((ann.roles.join(" "), ann.disabled), ("admin user".to_owned(), true));
        let bob = rows[1].user.as_ref().unwrap();
        assert_eq!(
            (bob.roles.join(" "), bob.disabled, rows[1].line),
            ("user".to_owned(), false, 4)
        );
        assert_eq!((rows.len(), &bob.first_name, &bob.last_name), (2, &None, &None));
    }

    #[test]
    fn a_broken_csv_row_is_told_and_the_next_is_read() {
        let text =
            b"email,password_hash,disabled\na@b.c,h\na@b.c,h,maybe\na@b.c,\xff,no\na@b.c,h,no\n";
        let rows = rows(text, Format::Csv);
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(refused(&rows[0]), "it has more or fewer fields than the header");
        assert_eq!(refused(&rows[1]), "disabled is neither true nor false");
        assert_eq!(refused(&rows[2]), "it is not UTF-8");
        assert!(rows[3].user.is_ok());
    }

    #[test]
    fn csv_without_its_header_is_refused_at_once() {
        for text in ["", "a@b.c,hash\n", "email,hash\n"] {
            let file = Box::new(io::Cursor::new(text.as_bytes()));
            assert!(Rows::new(file, Format::Csv).is_err(), "{text}");
        }
    }

    #[test]
    fn columns_are_known_in_any_writing_and_others_are_listed() {
        let hash = "h";
        for header in [
            "Email,Password Hash,Disabled",
            "\u{feff}E-Mail,PASSWORD_HASH,disabled",
            "\u{feff}\"email\",\"passwordHash\",\"DISABLED\"",
            "e mail , password-hash , Disabled ",
        ] {
            let text = format!("{header},id,notes\na@b.c,{hash},true,7,x\n");
            let file = Box::new(io::Cursor::new(text.into_bytes()));
            let mut rows = Rows::new(file, Format::Csv).unwrap();
            let user = rows.next().unwrap().unwrap().user.unwrap();
            assert_eq!((&*user.email, &*user.password_hash, user.disabled), ("a@b.c", hash, true));
            assert_eq!(rows.ignored(), ["\"id\"", "\"notes\""], "{header}");
        }
        let text = concat!(
            "\u{feff}{\"E-Mail\":\"a@b.c\",\"Password Hash\":\"h\",\"Disabled\":true,\"id\":{\"disable\":1}}\n",
            "{\"email\":\"a@b.c\",\"passwordHash\":\"h\",\"notes\":1,\"id\":2}\n",
        );
        let file = Box::new(io::Cursor::new(text.as_bytes()));
        let mut rows = Rows::new(file, Format::JsonLines).unwrap();
        let users: Vec<_> = rows.by_ref().map(|row| row.unwrap().user.unwrap()).collect();
        assert_eq!(users.iter().map(|user| user.disabled).collect::<Vec<_>>(), [true, false]);
        assert_eq!(rows.ignored(), ["\"id\"", "\"notes\""]);
    }

    #[test]
    fn a_column_that_is_nearly_named_or_named_twice_is_refused_with_its_line() {
        for (header, reason) in [
            (
                "email,password_hash,disable",
                "line 1: the column \"disable\" is not understood: if disabled is meant",
            ),
            ("email,password_hash,Is_Disabled", "\"Is_Disabled\" is not understood: if disabled"),
            ("mail,password_hash", "\"mail\" is not understood: if email is meant"),
            ("email,password_hash,role", "if roles is meant"),
            ("email,password_hash,email", "line 1 names the column email twice"),
            ("email,password_hash,E-Mail", "line 1 names the column email twice"),
            ("email,password_hash,PasswordHash", "names the column password_hash twice"),
        ] {
            let file = Box::new(io::Cursor::new(format!("{header}\n").into_bytes()));
            let Err(error) = Rows::new(file, Format::Csv) else { panic!("{header}") };
            assert!(error.to_string().contains(reason), "{error}");
        }
        let lines = [
            "{\"email\":\"a@b.c\",\"password_hash\":\"h\",\"disable\":true}",
            "{\"email\":\"a@b.c\",\"password_hash\":\"h\",\"isDisabled\":true}",
            "{\"email\":\"a@b.c\",\"password_hash\":\"h\",\"Email\":\"x@b.c\"}",
            "{\"mail\":\"a@b.c\",\"password_hash\":\"h\"}",
        ];
        let rows = rows(lines.join("\n").as_bytes(), Format::JsonLines);
        let reason =
            ["if disabled is meant", "if disabled is meant", "named twice", "if email is meant"];
        for (at, (row, reason)) in rows.iter().zip(reason).enumerate() {
            assert!(refused(row).contains(reason), "{row:?}");
            assert_eq!(row.line, at as u64 + 1);
        }
        assert_eq!(rows.len(), lines.len());
    }

    #[test]
    fn json_lines_are_read_one_by_one() {
        let text = concat!(
            "{\"email\":\"ann@example.com\",\"password_hash\":\"h1\",\"roles\":\"admin;user\",\"disabled\":true}\n\n",
            "  {\"email\":\"bob@example.com\",\"password_hash\":\"h2\",\"roles\":[\"a\"],\"last_name\":null,\"x\":1}\r\n",
            "{\"email\":\"c@example.com\",\"password_hash\":\"h3\",\"disabled\":\"0\"}",
        );
        let rows = rows(text.as_bytes(), Format::JsonLines);
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3, 4]);
        let users: Vec<_> = rows.iter().map(|row| row.user.as_ref().unwrap()).collect();
        assert_eq!(
            users.iter().map(|u| u.roles.join(" ")).collect::<Vec<_>>(),
            ["admin user", "a", "user"]
        );
        assert_eq!(
            users.iter().map(|user| user.disabled).collect::<Vec<_>>(),
            [true, false, false]
        );
    }

    #[test]
    fn a_broken_json_line_is_told_without_repeating_it() {
        let long = format!("{{\"email\":\"{}\"}}", "s3cret".repeat(20_000));
        let lines = [
            "s3cret",
            "\"s3cret\"",
            "[1]",
            "{\"email\":\"a@b.c\"",
            "{\"email\":\"a@b.c\"}",
            "{\"email\":1,\"password_hash\":\"s3cret\"}",
            "{\"email\":\"a@b.c\",\"password_hash\":{\"s3cret\":1}}",
            "{\"email\":\"a@b.c\",\"password_hash\":\"s3cret\",\"email\":\"x@b.c\"}",
            "{\"email\":\"a@b.c\",\"password_hash\":\"s3cret\",\"roles\":[]}",
            "{\"email\":\"a@b.c\",\"password_hash\":\"s3cret\",\"roles\":[1]}",
            "{\"email\":\"a@b.c\",\"password_hash\":\"s3cret\",\"disabled\":2}",
            &long,
            &"[".repeat(10_000),
        ];
        let mut text = lines.join("\n");
        text.push_str("\n{\"email\":\"a@b.c\",\"password_hash\":\"h\"}");
        let rows = rows(text.as_bytes(), Format::JsonLines);
        assert_eq!(rows.len(), lines.len() + 1);
        for row in &rows[..lines.len()] {
            assert!(!refused(row).contains("s3cret"), "{row:?}");
        }
        assert!(rows[lines.len()].user.is_ok(), "what follows a line too long is read");
        assert_eq!(rows[lines.len()].line, 14);
        let ok = rows[lines.len()].user.as_ref().unwrap();
        assert!(!format!("{ok:?}").contains("\"h\""));
    }
}
