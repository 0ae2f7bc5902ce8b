//! `auth-service generate-key FILE`: makes a key for the internal listener, once.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Arg, ArgMatches, Command, value_parser};
use zeroize::Zeroizing;

use super::output;

/// The subcommand.
pub(super) fn command() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("Where to put it, readable by this user only; a file that is there is left as it is");
    Command::new("generate-key")
        .about("Makes a key for AUTH_INTERNAL_KEY_FILE and BUSINESS_AUTH_KEY_FILE")
        .arg(file)
}

/// Writes 256 random bits, unless the file is there already.
pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let path = matches.get_one::<PathBuf>("file").context("no file was named")?;
    let shown = path.display();
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Ok(output::print(format_args!("{shown} is there already"))?);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")),
    };
    let mut random = Zeroizing::new([0_u8; 32]);
    getrandom::fill(random.as_mut_slice()).context("no randomness to be had")?;
    let key = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
    let written = writeln!(file, "{}", key.as_str()).and_then(|()| file.sync_all());
    if written.is_err() {
        // The next try would take what is there for a key.
        std::fs::remove_file(path).with_context(|| format!("{shown} is there, without a key"))?;
    }
    written.with_context(|| format!("cannot write {shown}"))?;
    Ok(output::print(format_args!("a new key is in {shown}"))?)
}
