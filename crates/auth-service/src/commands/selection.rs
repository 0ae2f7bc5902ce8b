//! `auth-service sessions list` and `end`: the sessions of all users, as the running service has them.
//! Those in memory are nowhere else, so the request goes to its internal listener.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use auth_api_types::{Ended, SessionPage, SessionView, WouldEnd};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use serde::Deserialize;
use tokio::time::MissedTickBehavior;
use url::form_urlencoded;

use super::internal_listener::InternalListener;
use super::{confirm, output};
use crate::config::Config;

/// How many sessions one request is about.
const PAGE: usize = 500;
/// How often it is told how far an end has come.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// The options that select sessions: their names, which are those of the query but for `-`, what they
/// take, and what they are for.
const CONDITIONS: [(&str, &str, &str); 7] = [
    ("user", "ID", "Of this user: an account's id, or what a backend calls its own"),
    ("role", "ROLE", "That act in this role"),
    ("kind", "KIND", "Of this kind: sliding, fixed or single_use"),
    ("ip", "NETWORK", "Opened from this network, such as 203.0.113.0/24, or this address"),
    ("user-agent", "PART", "Opened with a user agent that has this in it"),
    ("opened-before", "MOMENT", "Opened before this, such as 2026-11-28T12:00:00Z"),
    ("unused-for", "DURATION", "Not used for so long, such as 30d or 12h"),
];

/// The command that lists.
pub(super) fn list_command() -> Command {
    let format = Arg::new("output")
        .long("output")
        .value_name("FORMAT")
        .default_value("text")
        .value_parser(["text", "json"])
        .help("How to write each: as a line, or as JSON in a line");
    Command::new("list")
        .about("Lists the sessions of which all that is given holds, in no order")
        .args(conditions())
        .arg(format)
}

/// The command that ends.
pub(super) fn end_command() -> Command {
    let names = CONDITIONS.map(|(name, ..)| name);
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let all = flag("all").conflicts_with_all(names).help("Every session of everybody");
    let which = ArgGroup::new("which").args(names).arg("all").multiple(true).required(true);
    Command::new("end")
        .about("Ends the sessions of which all that is given holds")
        .args(conditions())
        .arg(all)
        .arg(flag("yes").help("Does not ask"))
        .group(which)
}

fn conditions() -> impl Iterator<Item = Arg> {
    let condition = |(name, value, help): (&'static str, &'static str, &'static str)| {
        Arg::new(name).long(name).value_name(value).allow_hyphen_values(true).help(help)
    };
    CONDITIONS.into_iter().map(condition)
}

/// Lists them.
pub(super) async fn list(config: &Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let listener = InternalListener::of(config)?;
    let as_json = matches.get_one::<String>("output").is_some_and(|format| format == "json");
    let (mut after, mut found) = (None, false);
    loop {
        let limit = PAGE.to_string();
        let mut more = vec![("limit", limit.as_str())];
        more.extend(after.as_deref().map(|after| ("after", after)));
        let answer = listener.ask("GET", &target(matches, &more), None).await?;
        let page: SessionPage<'_> = read(&answer)?;
        found |= !page.sessions.is_empty();
        let lines = page.sessions.iter().map(|session| {
            if as_json { Ok(serde_json::to_string(session)?) } else { Ok(line(session)) }
        });
        output::print(lines.collect::<anyhow::Result<Vec<_>>>()?.join("\n"))?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if !found {
        output::note("no sessions");
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends them, after a confirmation.
pub(super) async fn end(config: &Config, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let listener = InternalListener::of(config)?;
    let all = matches.get_flag("all").then_some(("all", "true"));
    let all = all.as_slice();
    let counting = target(matches, &[all, &[("dry_run", "true")]].concat());
    let count = || async {
        let answer = listener.ask("DELETE", &counting, None).await?;
        Ok::<u64, anyhow::Error>(read::<WouldEnd>(&answer)?.would_end)
    };
    let before = count().await?;
    let question = format!("End {}? [y/N] ", counted(before));
    if before > 0 && !matches.get_flag("yes") && !confirm::is_answered_with_yes(&question)? {
        bail!("nothing was changed");
    }
    let ending = target(matches, all);
    let mut ended = std::pin::pin!(listener.ask("DELETE", &ending, None));
    let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let answer = loop {
        let progress = async {
            ticks.tick().await;
            count().await
        };
        tokio::select! {
            answer = &mut ended => break answer?,
            left = progress => output::note(&match left {
                Ok(left) => format!("{} left", counted(left)),
                Err(error) => format!("how many are left is not known: {error:#}"),
            }),
        }
    };
    let Ended { ended } = read(&answer)?;
    Ok(output::print(format_args!("{} ended", counted(ended)))?)
}

fn counted(sessions: u64) -> String {
    if sessions == 1 { "1 session".to_owned() } else { format!("{sessions} sessions") }
}

/// The request's target: the conditions that the command line has, and more.
fn target(matches: &ArgMatches, more: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, ..) in CONDITIONS {
        if let Some(text) = matches.get_one::<String>(name) {
            query.append_pair(&name.replace('-', "_"), text);
        }
    }
    query.extend_pairs(more);
    format!("/sessions?{}", query.finish())
}

fn read<'a, T: Deserialize<'a>>(answer: &'a str) -> anyhow::Result<T> {
    serde_json::from_str(answer).context("the service is of another version: it answers otherwise")
}

/// One session, tab by tab: its id, whose it is, what it is, from where, when it was opened and used.
fn line(session: &SessionView<'_>) -> String {
    let ip = session.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    let kind = serde_json::to_value(session.kind).unwrap_or_default();
    let user = &session.user;
    let agent = session.user_agent.as_deref().unwrap_or("-");
    // What a client calls itself must not write to a terminal as if it were us.
    let agent: String =
        agent.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    [
        session.id.to_string(),
        user.username.to_string(),
        session.role.to_string(),
        kind.as_str().unwrap_or_default().to_owned(),
        ip,
        session.created_at.to_string(),
        session.last_used_at.to_string(),
        agent,
    ]
    .join("\t")
}
