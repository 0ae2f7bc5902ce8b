//! Asking a URL whose breaker is open, or that others are preferred to because it is draining, whether
//! it answers again as it should, so that no caller has to find out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::Question;
use crate::message::{Call, Message};
use crate::transport::Transport;
use crate::upstream::{ProbeRunning, Upstream};

/// A well-formed token that nobody has: the question takes the whole way, down to the store.
pub(crate) const NOBODYS_TOKEN: &str =
    "rfl_0000000000000000000000000000000000000000000000000000002Gb14b";

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The question that changes nothing, whatever the answer.
pub(crate) fn question() -> Question<'static> {
    Question { touch: false, ..Question::new(NOBODYS_TOKEN) }
}

/// Probes until the URL is not avoided any more, and again where it was avoided anew meanwhile.
///
/// # Cancel safety
///
/// It may be dropped at any time: what it learns is recorded in one step, and another may run then.
pub(crate) async fn until_answered(
    upstream: Arc<Upstream>,
    transport: Arc<Transport>,
    budget: Duration,
    mut running: ProbeRunning,
) {
    loop {
        ask_until_answered(&upstream, &transport, budget).await;
        drop(running);
        // Whoever had it avoided just before saw that a probe was running, and started none.
        match upstream.claim_probe() {
            Some(claimed) => running = claimed,
            None => return,
        }
    }
}

/// Asks, one question at a time and with growing pauses, until there is a clear answer that is not
/// the last one on its connection.
async fn ask_until_answered(upstream: &Upstream, transport: &Transport, budget: Duration) {
    let mut pause = FIRST_PAUSE;
    while upstream.is_avoided() {
        if let Ok(message) = Message::new(&question()) {
            let sent = transport.send(upstream, Call::alone(message));
            if let Ok(Ok(answers)) = timeout(budget.min(LONGEST_WAIT), sent).await {
                upstream.record_success();
                if !answers.last {
                    upstream.set_draining(false);
                    return;
                }
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
        let (head, checksum) = NOBODYS_TOKEN.split_at(58);
        let mut sum = crc32fast::hash(head.as_bytes()) as usize;
        let mut digits = [0; 6];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[sum % 62];
            sum /= 62;
        }
        assert_eq!(checksum.as_bytes(), digits);
    }
}
