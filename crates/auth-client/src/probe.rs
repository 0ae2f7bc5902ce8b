//! The probe: asks a URL whose breaker is open, or that is draining, whether it answers again, so
//! that no caller's request is spent on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::Question;
use crate::dispatch::Dispatch;
use crate::upstream::{ProbeRunning, Upstream};

/// A well-formed token that opens no session: the question is looked up in the store.
pub(crate) const PROBE_TOKEN: &str =
    "rfl_0000000000000000000000000000000000000000000000000000002Gb14b";

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The question that changes nothing, whatever the answer.
pub(crate) fn question() -> Question<'static> {
    Question { touch: false, ..Question::new(PROBE_TOKEN) }
}

/// Probes until the URL needs it no more, and again where it came to need it meanwhile.
///
/// # Cancel safety
///
/// It may be dropped at any time: what it learns is recorded in one step, and another may run then.
pub(crate) async fn run(
    upstream: Arc<Upstream>,
    dispatch: Arc<Dispatch>,
    mut running: ProbeRunning,
) {
    loop {
        probe_until_answered(&upstream, &dispatch).await;
        drop(running);
        // A failure that was recorded just before saw a probe running, and started none.
        match upstream.claim_probe() {
            Some(claimed) => running = claimed,
            None => return,
        }
    }
}

/// Asks, one question at a time and with growing pauses, until there is a clear answer that is not
/// the last one on its connection.
async fn probe_until_answered(upstream: &Upstream, dispatch: &Dispatch) {
    let (wait, question) = (dispatch.budget.min(LONGEST_WAIT), question());
    let mut pause = FIRST_PAUSE;
    while upstream.needs_probe() {
        if let Ok(Ok(closes)) = timeout(wait, dispatch.probe(upstream, &question)).await {
            upstream.record_success();
            if !closes {
                upstream.set_draining(false);
                return;
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_token_is_well_formed() {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let (head, checksum) = PROBE_TOKEN.split_at(58);
        let mut sum = crc32fast::hash(head.as_bytes()) as usize;
        let mut digits = [0; 6];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[sum % 62];
            sum /= 62;
        }
        assert_eq!(checksum.as_bytes(), digits);
    }
}
