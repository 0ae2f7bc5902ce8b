//! Users as comma-separated values under a header that names the columns, in any order.

use std::io::{self, BufRead, BufReader, Read};

use csv::{ErrorKind, Position, StringRecord, Trim};

use super::columns::{FIELDS, Meaning, leave_out, meaning, refusal};
use super::{ImportedUser, Row, flag, optional, role_list};

pub(super) struct CsvRows {
    reader: csv::Reader<BufReader<Box<dyn Read + Send>>>,
    columns: [Option<usize>; 6],
    ignored: Vec<String>,
    /// By how many lines the reader is behind: it has a record end at the first of two characters.
    late: u64,
}

impl Iterator for CsvRows {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<io::Result<Row>> {
        self.row().transpose()
    }
}

impl CsvRows {
    pub(super) fn new(file: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut file = BufReader::new(file);
        let late = u64::from(ends_lines_in_two(file.fill_buf()?));
        let mut reader = csv::ReaderBuilder::new().trim(Trim::Headers).from_reader(file);
        let (columns, ignored) = columns(reader.headers().map_err(failure)?)?;
        Ok(Self { reader, columns, ignored, late })
    }

    /// The columns that stand for nothing.
    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn row(&mut self) -> io::Result<Option<Row>> {
        let mut record = StringRecord::new();
        let line = self.reader.position().line();
        match self.reader.read_record(&mut record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = record.position().map_or(line, Position::line) + self.late;
                Ok(Some(Row { line, user: self.user(&record) }))
            }
            Err(error) => {
                let line = error.position().map_or(line, Position::line) + self.late;
                let reason = match error.kind() {
                    ErrorKind::UnequalLengths { .. } => {
                        "it has more or fewer fields than the header"
                    }
                    ErrorKind::Utf8 { .. } => "it is not UTF-8",
                    _ => return Err(failure(error)),
                };
                Ok(Some(Row { line, user: Err(reason.to_owned()) }))
            }
        }
    }

    fn user(&self, record: &StringRecord) -> Result<ImportedUser, String> {
        let field =
            |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or_default();
        let [email, hash, first, last, roles, disabled] = self.columns.map(field);
        Ok(ImportedUser {
            email: email.to_owned(),
            password_hash: hash.trim().to_owned(),
            first_name: optional(first),
            last_name: optional(last),
            roles: role_list(roles),
            disabled: flag(disabled)?,
        })
    }
}

/// Where the column of each field is, and what the others are called.
fn columns(header: &StringRecord) -> io::Result<([Option<usize>; 6], Vec<String>)> {
    let mut columns = [None; 6];
    let mut ignored = Vec::new();
    for (at, name) in header.iter().enumerate() {
        match meaning(name) {
            Meaning::Field(field) if columns[field].replace(at).is_some() => {
                return Err(invalid(&format!("line 1 names the column {} twice", FIELDS[field])));
            }
            Meaning::Field(_) => {}
            Meaning::Nearly(meant) => {
                return Err(invalid(&format!("line 1: the column {}", refusal(name, meant))));
            }
            Meaning::Nothing => leave_out(&mut ignored, name),
        }
    }
    if columns[0].is_some() && columns[1].is_some() {
        return Ok((columns, ignored));
    }
    Err(invalid("the first line does not name the columns email and password_hash"))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn failure(error: csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        _ => invalid("the file is no CSV in UTF-8"),
    }
}

fn ends_lines_in_two(beginning: &[u8]) -> bool {
    let end = beginning.iter().position(|byte| *byte == b'\n');
    end.is_some_and(|end| beginning[..end].ends_with(b"\r"))
}
