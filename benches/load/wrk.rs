//! The load generator: `wrk` with one thread and a script that has all requests ready before the
//! first is sent. Anything but success fails the measurement.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::figures::float;
use crate::pinning::Pinning;

/// How a case's requests look. Each carries one of the case's tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// `GET` with the token in the header of this name.
    Get { path: &'static str, header: &'static str },
    /// `POST` of `{"token": …}`.
    Post { path: &'static str },
}

/// What one run of the generator saw. Latencies in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// The result line: whole numbers, so that a locale changes nothing.
const DONE: &str = r#"
function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration":%d,"p50":%d,"p99":%d,"p999":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), e.connect, e.read, e.write, e.timeout, e.status))
end
"#;

/// Writes the script for a shape; the tokens stand in a file, one a line.
pub(crate) fn write_script(script: &Path, shape: Shape, tokens: &Path) -> Result<()> {
    let request = match shape {
        Shape::Get { path, header } => {
            format!("wrk.format(\"GET\", \"{path}\", {{[\"{header}\"] = token}})")
        }
        Shape::Post { path } => format!(
            "wrk.format(\"POST\", \"{path}\", {{[\"content-type\"] = \"application/json\"}}, \
             '{{\"token\":\"' .. token .. '\"}}')"
        ),
    };
    let init = format!(
        "local requests, at = {{}}, 0\n\nfunction init(_)\n  for token in io.lines(\"{}\") do\n    \
         requests[#requests + 1] = {request}\n  end\nend\n",
        tokens.display()
    );
    fs::write(script, init + DONE).with_context(|| format!("cannot write {}", script.display()))
}

/// Loads a server for some seconds.
pub(crate) fn run(
    pinning: Pinning,
    script: &Path,
    address: SocketAddr,
    connections: u16,
    seconds: u64,
) -> Result<Seen> {
    let mut command = pinning.generator("wrk");
    command.args(["-t1", "--latency", "--timeout", "10s"]);
    command.args(["-c", &connections.to_string(), "-d", &format!("{seconds}s"), "-s"]);
    let output = command.arg(script).arg(format!("http://{address}/")).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let Some(line) = line else {
        bail!("wrk gave no result:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    };
    read(line).with_context(|| format!("wrk on http://{address} said {line}"))
}

fn read(line: &str) -> Result<Seen> {
    let values: Value = serde_json::from_str(line)?;
    let value = |name: &str| values[name].as_u64().with_context(|| format!("no {name}"));
    for error in ["connect", "read", "write", "timeout", "status"] {
        ensure!(value(error)? == 0, "not every request succeeded: {error}");
    }
    let requests = value("requests")?;
    ensure!(requests > 0, "no request was answered");
    Ok(Seen {
        requests,
        per_second: float(requests) / (float(value("duration")?) / 1e6),
        p50: float(value("p50")?),
        p99: float(value("p99")?),
        p999: float(value("p999")?),
    })
}
