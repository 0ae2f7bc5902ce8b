//! Users as comma-separated values under a header that names the columns, in any order.

use std::io::{self, BufRead, BufReader, Read};

use csv::{ErrorKind, Position, StringRecord, Trim};

use super::{ImportedUser, Row, flag, optional, role_list};

const COLUMNS: [&str; 6] =
    ["email", "password_hash", "first_name", "last_name", "roles", "disabled"];

pub(super) struct CsvRows {
    reader: csv::Reader<BufReader<Box<dyn Read + Send>>>,
    columns: [Option<usize>; 6],
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
        let columns = columns(reader.headers().map_err(failure)?)?;
        Ok(Self { reader, columns, late })
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

/// Where each known column is. A byte order mark before the first name is none of the name.
fn columns(header: &csv::StringRecord) -> io::Result<[Option<usize>; 6]> {
    let place =
        |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let columns = COLUMNS.map(place);
    if columns[0].is_some() && columns[1].is_some() {
        return Ok(columns);
    }
    let text = "the first line does not name the columns email and password_hash";
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

fn failure(error: csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        _ => io::Error::new(io::ErrorKind::InvalidData, "the file is no CSV in UTF-8"),
    }
}

fn ends_lines_in_two(beginning: &[u8]) -> bool {
    let end = beginning.iter().position(|byte| *byte == b'\n');
    end.is_some_and(|end| beginning[..end].ends_with(b"\r"))
}
