//! Everything that one run has measured.

use serde_json::{Value, json};

use crate::expiry::Expiry;
use crate::flood::Flood;
use crate::pinning::Pinning;
use crate::rounds::Sample;
use crate::starts::Start;

/// What there is to report.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) samples: Vec<Sample>,
    /// Resident bytes of the auth service against its live sessions.
    pub(crate) growth: Vec<(usize, u64)>,
    /// Resident bytes of Redis, empty and full.
    pub(crate) redis: Option<(u64, u64)>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) floods: Vec<Flood>,
    pub(crate) starts: Vec<Start>,
    /// Rows that are missing, and why.
    pub(crate) left_out: Vec<String>,
    /// Measurements that failed.
    pub(crate) failed: Vec<String>,
}

impl Results {
    /// The numbers of connections that were measured with a pinning.
    pub(crate) fn connections(&self, pinning: Pinning) -> Vec<u16> {
        let of = self.samples.iter().filter(|sample| sample.pinning == pinning);
        let mut connections: Vec<u16> = of.map(|sample| sample.connections).collect();
        connections.sort_unstable();
        connections.dedup();
        connections
    }

    /// The samples as they are, for whoever wants to work out something else.
    pub(crate) fn raw(&self) -> Value {
        let sample = |sample: &Sample| {
            json!({
                "pinning": sample.pinning.letter(), "row": sample.row, "round": sample.round,
                "connections": sample.connections, "requests": sample.seen.requests,
                "per_second": sample.seen.per_second, "p50_us": sample.seen.p50,
                "p99_us": sample.seen.p99, "p999_us": sample.seen.p999, "cpu_us": sample.cpu,
                "elsewhere": sample.elsewhere,
            })
        };
        let start = |start: &Start| {
            json!({
                "name": start.name, "ready_ms": start.ready_ms, "resident": start.resident,
                "binary": start.binary,
            })
        };
        json!({
            "samples": self.samples.iter().map(sample).collect::<Vec<_>>(),
            "growth": self.growth,
            "starts": self.starts.iter().map(start).collect::<Vec<_>>(),
            "failed": self.failed,
        })
    }
}
