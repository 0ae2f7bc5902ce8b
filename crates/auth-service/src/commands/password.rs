//! Where a command gets a password from: a prompt, standard input or a file; never the command
//! line, which every process of the machine can read.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use users::Password;
use zeroize::Zeroizing;

/// More than any password takes.
const LIMIT: u64 = 4096;

/// The new password: from `file` if one is named, from a prompt on a terminal, else the first line
/// of standard input.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Password> {
    let text = match file {
        Some(file) => from_file(file)?,
        None if std::io::stdin().is_terminal() => from_prompt()?,
        None => first_line(std::io::stdin().lock().take(LIMIT))?,
    };
    Ok(Password::from(text.trim_end_matches(['\n', '\r'])))
}

fn from_file(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let opened =
        std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    first_line(std::io::BufReader::new(opened.take(LIMIT)))
}

fn from_prompt() -> anyhow::Result<Zeroizing<String>> {
    let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
    let first = ask("New password: ").context("the password cannot be read")?;
    let again = ask("The same again: ").context("the password cannot be read")?;
    ensure!(first == again, "the two passwords differ");
    Ok(first)
}

fn first_line(mut source: impl std::io::BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    source.read_line(&mut line).context("the password cannot be read: it must be UTF-8")?;
    ensure!(
        !line.trim_end_matches(['\n', '\r']).is_empty(),
        "no password was given: pipe it in, or name a file with --password-file"
    );
    Ok(line)
}
