//! The interleaved rounds: each row once in turn, at each number of connections, and again. What
//! disturbs the machine for a moment then disturbs neighbours, and ratios within a round stand.

use std::process::Command;

use anyhow::{Context, Result};

use crate::figures::float;
use crate::options::Options;
use crate::others::{Accounts, DISTURBED};
use crate::pinning::Pinning;
use crate::process::{cpu_ticks, with_children};
use crate::progress;
use crate::results::Results;
use crate::rows::Row;
use crate::wrk::{self, Seen};

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) pinning: Pinning,
    pub(crate) row: &'static str,
    pub(crate) connections: u16,
    pub(crate) round: usize,
    pub(crate) seen: Seen,
    /// Processor time of the row's servers, in microseconds a request.
    pub(crate) cpu: f64,
    /// The part of the machine that went to something else meanwhile.
    pub(crate) elsewhere: f64,
}

/// Measures all rows in all rounds. One that fails is said and left out; the others go on.
pub(crate) fn run(
    options: &Options,
    pinning: Pinning,
    rows: &[Row],
    results: &mut Results,
) -> Result<()> {
    let ticks = ticks_per_second()?;
    let turns: Vec<(u16, &Row)> = options
        .connections
        .iter()
        .flat_map(|connections| rows.iter().map(move |row| (*connections, row)))
        .filter(|(connections, row)| {
            options.connections.len() == 1 || row.is_measured_at(*connections, pinning)
        })
        .collect();
    let bar = progress::bar((turns.len() * options.rounds) as u64, "");
    warm_up(pinning, rows)?;
    for round in 0..options.rounds {
        for &(connections, row) in &turns {
            bar.set_message(format!("{} {} at {connections}", pinning.letter(), row.name));
            match measure(options, pinning, row, connections, ticks) {
                Ok((seen, cpu, elsewhere)) => {
                    let row = row.name;
                    let sample = Sample { pinning, row, connections, round, seen, cpu, elsewhere };
                    bar.suspend(|| progress::say(&describe(&sample)));
                    results.samples.push(sample);
                }
                Err(error) => {
                    let failure = format!("{} at {connections}: {error:#}", row.name);
                    bar.suspend(|| progress::say(&format!("FAILED: {failure}")));
                    results.failed.push(failure);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn measure(
    options: &Options,
    pinning: Pinning,
    row: &Row,
    connections: u16,
    ticks_per_second: u64,
) -> Result<(Seen, f64, f64)> {
    row.check()?;
    let pids = with_children(&row.pids);
    let accounts = Accounts::read(&pids)?;
    let before = cpu_ticks(&pids);
    let seen = wrk::run(pinning, &row.script, row.address, connections, options.seconds)?;
    let cpu = per_request(cpu_ticks(&pids) - before, ticks_per_second, seen.requests);
    Ok((seen, cpu, Accounts::read(&pids)?.elsewhere_since(&accounts)))
}

/// Fills connection pools and caches, so that the first row of the first round is like the others.
fn warm_up(pinning: Pinning, rows: &[Row]) -> Result<()> {
    for row in rows {
        row.check()?;
        wrk::run(pinning, &row.script, row.address, 16, 1).with_context(|| row.name.to_owned())?;
    }
    Ok(())
}

fn describe(sample: &Sample) -> String {
    let Sample { pinning, row, connections, round, seen, cpu, elsewhere } = sample;
    // A tick here and there is the kernel's own.
    let doubt = if *elsewhere > DISTURBED {
        format!("  DISTURBED: {:.0} % of the machine went elsewhere", elsewhere * 100.0)
    } else {
        String::new()
    };
    format!(
        "{} {}. {row:24}{connections:4} connections {:9.0}/s  p50 {:7.0} p99 {:7.0} p99.9 {:7.0} µs  \
         cpu {cpu:7.1} µs{doubt}",
        pinning.letter(),
        round + 1,
        seen.per_second,
        seen.p50,
        seen.p99,
        seen.p999
    )
}

fn per_request(used: u64, ticks_per_second: u64, requests: u64) -> f64 {
    float(used) / float(ticks_per_second) * 1e6 / float(requests)
}

fn ticks_per_second() -> Result<u64> {
    let output = Command::new("getconf").arg("CLK_TCK").output().context("getconf")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
