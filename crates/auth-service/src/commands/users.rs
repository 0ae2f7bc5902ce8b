//! `auth-service users …`: accounts from the command line, on the database that the settings name.
//! What a change ends, ends at once where sessions are in Redis and that answers; otherwise a running
//! node obeys it within two seconds, and one that is started later before it lets anybody in.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use auth_api_types::UserView;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clock::{Clock, SystemClock};
use server_runtime::output::Unwritten;
use session::Sessions;
use users::{
    ADMIN, Directory, ListQuery, NewServiceUser, NewUser, OpenError, SessionEnding, USER, User,
    UserChanges,
};

use super::{import, output, password};
use crate::backend::Backend;
use crate::config::{Config, SessionBackend};
use crate::open_failure::OpenFailure;
use crate::operations::endings::Endings;
use crate::view;

const PAGE: u32 = 500;
/// What `AUTH_DATABASE_URL` must be for these commands.
pub(super) const ACCEPTED: &str =
    "sqlite:PATH or postgres://… here: a change to users in memory would be gone at once";
const NO_SUCH_USER: &str = "there is no such user";
/// The commands that make the database where there is none.
const MAKES_DATABASE: [&str; 2] = ["add", "import"];
/// The commands after which sessions end.
const ENDS_SESSIONS: [&str; 5] = ["passwd", "disable", "delete", "roles", "rename"];

/// The subcommand and its own.
pub(super) fn command() -> Command {
    let json = Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORMAT")
        .value_parser(["text", "json"])
        .default_value("text")
        .global(true)
        .help("How results are written");
    let file = Arg::new("password-file")
        .long("password-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Reads the password from the first line of this file, not from a prompt or standard input");
    let old = Arg::new("email")
        .value_name("OLD")
        .required(true)
        .help("The present user name, or the user's id");
    let new = Arg::new("new").value_name("NEW").required(true).help("An e-mail address");
    let rename = Command::new("rename")
        .about("Gives a user another user name; all of its sessions end")
        .args([old, new]);
    let named =
        |name: &'static str, about: &'static str| Command::new(name).about(about).arg(email());
    let admin = Arg::new("admin")
        .long("admin")
        .action(ArgAction::SetTrue)
        .help("Gives the roles admin,user");
    let service = Arg::new("service")
        .long("service")
        .action(ArgAction::SetTrue)
        .conflicts_with("password-file")
        .help("Makes a service user: the name need be no address, and it has no password");
    let roles = Arg::new("roles")
        .value_name("ROLES")
        .required(true)
        .help("All roles in order, such as admin,user");
    Command::new("users")
        .about("Manages accounts")
        .subcommand_required(true)
        .arg(json)
        .subcommand(named("add", "Creates a user").args([admin, service, file.clone()]))
        .subcommand(Command::new("list").about("Lists all users"))
        .subcommand(named("passwd", "Sets a user's password; all of its sessions end").arg(file))
        .subcommand(named("disable", "Bars a user from logging in; all of its sessions end"))
        .subcommand(named("enable", "Lets a user log in again"))
        .subcommand(named("delete", "Deletes a user; all of its sessions end"))
        .subcommand(named("roles", "Sets a user's roles; all of its sessions end").arg(roles))
        .subcommand(rename)
        .subcommand(import::command())
}

/// Does what the command line says, and ends the sessions that it ends.
pub(super) async fn run(config: Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (name, matches) = matches.subcommand().context("no command was given")?;
    if name == "add" {
        // Before a file is made, and a password asked for, for nothing.
        let name = named(matches);
        if matches.get_flag("service") {
            users::check_service_name(name)?;
        } else {
            users::check_email(name)?;
        }
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let directory = open(&config, name, Arc::clone(&clock)).await?;
    let done = obey(config, &directory, clock, name, matches).await;
    directory.close().await;
    done
}

async fn open(config: &Config, name: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Directory> {
    let options = config.directory.clone();
    let opened = if MAKES_DATABASE.contains(&name) {
        Directory::open(options, clock).await
    } else {
        match Directory::open_existing(options.clone(), Arc::clone(&clock)).await {
            // The way out of that is this command.
            Err(OpenError::SameName(_)) if name == "rename" => {
                Directory::open_with_old_keys(options, clock).await
            }
            opened => opened,
        }
    };
    opened.map_err(|error| match error {
        OpenError::Missing(_) => anyhow!("{error}: set AUTH_DATABASE_URL to the service's"),
        error => OpenFailure::Users(error).into(),
    })
}

async fn obey(
    config: Config,
    directory: &Directory,
    clock: Arc<dyn Clock>,
    name: &str,
    matches: &ArgMatches,
) -> anyhow::Result<ExitCode> {
    let in_reach = matches!(config.session_store, SessionBackend::Redis { .. });
    if !in_reach || !ENDS_SESSIONS.contains(&name) {
        return change_users(directory, name, matches).await;
    }
    let last = directory.newest_ending().await?;
    let outcome = change_users(directory, name, matches).await;
    // A change whose result could not be printed was made all the same.
    if outcome.as_ref().is_err_and(|error| !error.is::<Unwritten>()) {
        return outcome;
    }
    if let Err(error) = end_sessions(config, directory, clock, last).await {
        output::note(&format!(
            "it is done; sessions that it ends may live until a service follows, in two seconds or \
             before it lets anybody in: {error:#}"
        ));
    }
    outcome
}

/// Ends in Redis what was changed after `last`. That it cannot is no failure: every service does.
async fn end_sessions(
    config: Config,
    directory: &Directory,
    clock: Arc<dyn Clock>,
    last: Option<SessionEnding>,
) -> anyhow::Result<()> {
    let backend =
        Backend::open(config.session_store, &clock, config.events, Box::new(|_| {})).await?;
    let sessions = Sessions::new(backend.sessions, clock, config.lifetimes, config.binding);
    Ok(Endings::carry_out_after(last, directory.clone(), sessions).await?)
}

async fn change_users(
    directory: &Directory,
    name: &str,
    matches: &ArgMatches,
) -> anyhow::Result<ExitCode> {
    let as_json = matches.get_one::<String>("output").is_some_and(|format| format == "json");
    let text = match name {
        "add" => one(&add(directory, matches).await?, as_json)?,
        "list" => list(directory, as_json).await?,
        "passwd" => {
            let id = find(directory, matches).await?.id;
            let password = password::read(file(matches))?;
            one(&directory.change_password(id, &password).await?, as_json)?
        }
        "disable" => one(&change(directory, matches, disabled(true)).await?, as_json)?,
        "enable" => one(&change(directory, matches, disabled(false)).await?, as_json)?,
        "roles" => one(&change(directory, matches, roles(matches)).await?, as_json)?,
        "rename" => {
            let user = directory.find_exactly(named(matches)).await?.context(NO_SUCH_USER)?;
            let new = matches.get_one::<String>("new").map(String::as_str).unwrap_or_default();
            one(&directory.rename(user.id, new).await?.user, as_json)?
        }
        "delete" => {
            let user = find(directory, matches).await?;
            directory.delete(user.id).await?;
            shown(&user, "deleted", as_json)?
        }
        "import" => return import::run(directory, matches, as_json).await,
        _ => bail!("no such command"),
    };
    Ok(output::print(text)?)
}

async fn add(directory: &Directory, matches: &ArgMatches) -> anyhow::Result<User> {
    let roles: &[&str] = if matches.get_flag("admin") { &[ADMIN, USER] } else { &[USER] };
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    if matches.get_flag("service") {
        let new = NewServiceUser { name: named(matches).to_owned(), roles };
        return Ok(directory.create_service(new).await?);
    }
    let new = NewUser {
        email: named(matches).to_owned(),
        password: password::read(file(matches))?,
        first_name: None,
        last_name: None,
        roles,
        email_verified: true,
    };
    Ok(directory.create(new).await?)
}

async fn change(
    directory: &Directory,
    matches: &ArgMatches,
    changes: UserChanges,
) -> anyhow::Result<User> {
    let id = find(directory, matches).await?.id;
    Ok(directory.update(id, changes).await?.user)
}

async fn list(directory: &Directory, as_json: bool) -> anyhow::Result<String> {
    let mut query = ListQuery { contains: None, limit: PAGE, after: None };
    let mut users = Vec::new();
    loop {
        let page = directory.list(&query).await?;
        users.extend(page.users.iter().map(view::user));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    if as_json {
        return Ok(serde_json::to_string_pretty(&users)?);
    }
    if users.is_empty() {
        output::note("no users");
    }
    let lines = users.iter().map(|user| line(user, state(user.disabled)));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn one(user: &User, as_json: bool) -> anyhow::Result<String> {
    shown(user, state(user.disabled), as_json)
}

fn shown(user: &User, state: &str, as_json: bool) -> anyhow::Result<String> {
    let user = view::user(user);
    Ok(if as_json { serde_json::to_string_pretty(&user)? } else { line(&user, state) })
}

const fn state(disabled: bool) -> &'static str {
    if disabled { "disabled" } else { "enabled" }
}

fn line(user: &UserView, state: &str) -> String {
    let name = user.email.as_deref().or(user.username.as_deref()).unwrap_or_default();
    format!("{}  {}  {state}  {name}", user.id, user.roles.join(","))
}

async fn find(directory: &Directory, matches: &ArgMatches) -> anyhow::Result<User> {
    directory.find(named(matches)).await?.context(NO_SUCH_USER)
}

fn named(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("email").map(String::as_str).unwrap_or_default()
}

fn file(matches: &ArgMatches) -> Option<&std::path::Path> {
    matches.get_one::<PathBuf>("password-file").map(PathBuf::as_path)
}

fn disabled(disabled: bool) -> UserChanges {
    UserChanges { disabled: Some(disabled), ..UserChanges::default() }
}

fn roles(matches: &ArgMatches) -> UserChanges {
    let roles = matches.get_one::<String>("roles").map(String::as_str).unwrap_or_default();
    let roles = roles.split(',').map(|role| role.trim().to_owned()).collect();
    UserChanges { roles: Some(roles), ..UserChanges::default() }
}

/// The argument that names a user.
fn email() -> Arg {
    Arg::new("email")
        .value_name("EMAIL")
        .required(true)
        .help("The user's e-mail address, or a service's name")
}
