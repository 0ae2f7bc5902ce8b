//! The load bench: `cargo bench --bench load`. It starts the release binaries beside the
//! yardsticks of `benches/yardsticks`, loads all of them in turn, and writes what it saw to one
//! file, which `render.py` makes `docs/performance.md` of. It decides nothing about the services and shares no code with them.

mod builds;
mod expiry;
mod figures;
mod filling;
mod flask;
mod flood;
mod http;
mod machine;
mod memory;
mod nginx;
mod options;
mod others;
mod pinning;
mod process;
mod progress;
mod redis;
mod results;
mod rounds;
mod rows;
mod services;
mod session_file;
mod starts;
mod tools;
mod watching;
mod world;
mod wrk;

use std::process::Command;

use anyhow::{Context, Result, ensure};

use builds::OtherBuild;
use options::Options;
use pinning::Pinning;
use redis::Redis;
use results::Results;
use services::{Paths, Starter};
use session_file::SessionFile;
use world::{Stores, World};

/// How many sessions end in the same moment, if so many live.
const EXPIRING: usize = 100_000;

fn main() -> Result<()> {
    let matches = options::command().get_matches();
    if !matches.get_flag("bench") {
        progress::say("not run as a test: cargo bench --bench load");
        return Ok(());
    }
    let options = Options::read(&matches)?;
    let paths = Paths::find(&options)?;
    let mut results = Results { missing: tools::missing(&options)?, ..Results::default() };
    if options.binaries.is_none() {
        build(&paths, "Cargo.toml")?;
    }
    build(&paths, "benches/yardsticks/Cargo.toml")?;
    measure(&options, &paths, &mut results)?;
    publish(&options, &paths, &results)
}

fn measure(options: &Options, paths: &Paths, results: &mut Results) -> Result<()> {
    let starter = Starter { paths, options, pinning: Pinning::Unpinned };
    if options.wants("start") {
        results.starts = starts::measure(starter)?;
    }
    let redis = start_redis(starter)?;
    results.redis = redis.as_ref().map(|redis| redis.resident);
    let durable = options.wants("validate-durable").then(|| SessionFile::fill(starter));
    let durable = durable.transpose()?;
    results.durable = durable.as_ref().map(|file| file.figures);
    let stores = Stores { redis, durable, builds: OtherBuild::of(options, starter)? };
    for &pinning in &options.pinnings {
        let world = World::start(Starter { pinning, ..starter }, &stores, results)?;
        rounds::run(options, pinning, &world.rows, results)?;
        pinning::move_to_generator(pinning)?;
        let auth = [world.auth.server.pid()];
        if options.wants("flood") {
            let flood = others::watched("flood", &auth, || {
                flood::measure(&world, pinning, options.rounds)
            })?;
            results.floods.push(flood);
        }
        if options.wants("expiry") && results.expiry.is_none() {
            let sessions = options.live.min(EXPIRING);
            let measure = || expiry::measure(&world, sessions);
            results.expiry = Some(others::watched("expiry", &auth, measure)?);
        }
        if results.growth.is_empty() {
            results.growth = world.growth;
        }
        pinning::move_to_generator(Pinning::Unpinned)?;
    }
    Ok(())
}

/// Writes the results, and the document beside the others if the run was a whole one without
/// failures.
fn publish(options: &Options, paths: &Paths, results: &Results) -> Result<()> {
    let raw = paths.scratch.join("results.json");
    std::fs::write(&raw, serde_json::to_vec_pretty(&results.json(options, paths))?)?;
    progress::say(&format!("written: {}", raw.display()));
    let whole = options.is_whole() && results.failed.is_empty();
    let directory = if whole { paths.repository.join("docs") } else { paths.scratch.clone() };
    let renderer = paths.repository.join("benches/load/render.py");
    let rendered = Command::new("python3").arg(renderer).args([&raw, &directory]).status();
    let rendered = rendered.context("cannot start python3, which draws the results")?;
    ensure!(rendered.success(), "the results could not be drawn");
    progress::say(&format!("written: {}", directory.join("performance.md").display()));
    ensure!(results.failed.is_empty(), "failed: {}", results.failed.join("; "));
    Ok(())
}

/// Builds the release binaries of a package: what is measured is what `cargo build --release` makes,
/// and not what cargo makes beside a bench, with the features that benches and tests ask for.
fn build(paths: &Paths, manifest: &str) -> Result<()> {
    let manifest = paths.repository.join(manifest);
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--release", "--locked", "--bins", "--manifest-path"]).arg(manifest);
    command.arg("--target-dir").arg(&paths.target);
    // Cargo tells its children about the package that it runs, and this is another.
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("CARGO_"));
    for (name, _) in
        ours.filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "CARGO_MANIFEST_DIR")
    {
        command.env_remove(name);
    }
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "a program that is measured does not build");
    Ok(())
}

fn start_redis(starter: Starter<'_>) -> Result<Option<Redis>> {
    let is_wanted = |name: &str| name.contains("redis") && starter.options.wants(name);
    if !rows::ROWS.iter().any(|(name, _)| is_wanted(name))
        || process::installed("redis-server").is_none()
    {
        return Ok(None);
    }
    Redis::fill(starter).map(Some)
}
