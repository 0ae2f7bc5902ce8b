//! What is done to the services while the workload goes on.

use std::env;
use std::time::Duration;

use testkit::{DiskState, TIMEOUT, let_time_pass};

use crate::crowds::{hold_connections, log_in_at_once, take_descriptors};
use crate::events::{Disturbance, Loss};
use crate::link::Link;
use crate::random::Random;
use crate::redis::Promotion;
use crate::site::{Site, Store};
use crate::workload::Board;

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node is killed, and started again.
    Killed,
    /// A node is told to end, and started again.
    Restarted,
    /// A node is stopped in its tracks, and goes on.
    Stopped,
    /// The wall clock jumps by so many seconds.
    DateJumps(i64),
    /// The disk under the session file does this.
    Disk(DiskState),
    /// The link from the business service to a node is slow.
    LinkSlow,
    /// All connections of that link are reset, again and again.
    LinkReset,
    /// All nodes are told to end and started again, one after the other.
    Rolled,
    /// A node can open no more files, and accept nobody.
    FilesUsedUp,
    /// Many log in at once.
    LoginCrowd,
    /// Many connections are idle, or in the middle of a request.
    ConnectionCrowd,
    /// Redis is stopped in its tracks, and goes on.
    RedisStopped,
    /// Redis is killed, and started again.
    RedisKilled,
    /// Redis has no memory for more.
    RedisFull,
    /// The link to a Redis server is slow.
    RedisLinkSlow,
    /// All connections of that link are reset, again and again.
    RedisLinkReset,
    /// A master of the cluster is killed, and its replica takes over.
    Failover(Promotion),
}

/// How often a link's connections are reset in a row.
const RESETS: u32 = 5;

const ANYWHERE: &[Fault] = &[
    Fault::Killed,
    Fault::Stopped,
    Fault::DateJumps(3_600),
    Fault::DateJumps(-3_600),
    Fault::LinkSlow,
    Fault::LinkReset,
    Fault::FilesUsedUp,
    Fault::LoginCrowd,
    Fault::ConnectionCrowd,
];
const WITH_A_FILE: &[Fault] = &[
    Fault::Killed,
    Fault::Restarted,
    Fault::Disk(DiskState::Hangs),
    Fault::Disk(DiskState::FailsToSync),
    Fault::Disk(DiskState::NoRoom),
];
const WITH_REDIS: &[Fault] = &[
    Fault::Restarted,
    Fault::Rolled,
    Fault::RedisStopped,
    Fault::RedisKilled,
    Fault::RedisFull,
    Fault::RedisLinkSlow,
    Fault::RedisLinkReset,
];
const WITH_A_CLUSTER: &[Fault] = &[
    Fault::Failover(Promotion::Elected),
    Fault::Failover(Promotion::Forced),
    Fault::Failover(Promotion::ForcedBehind),
];

/// All that is done to services with this store: what can be, or what `HISTORY_FAULTS` names of it.
pub(crate) fn faults(store: Store) -> Vec<Fault> {
    let mut faults = possible_faults(store);
    if let Ok(names) = env::var("HISTORY_FAULTS") {
        let names: Vec<&str> = names.split(',').collect();
        faults.retain(|fault| names.iter().any(|name| fault.is_called(name)));
        assert!(!faults.is_empty(), "HISTORY_FAULTS names none that can happen to {store:?}");
    }
    faults
}

fn possible_faults(store: Store) -> Vec<Fault> {
    let more: &[&[Fault]] = match store {
        Store::Memory => &[],
        Store::File => &[WITH_A_FILE],
        Store::Redis => &[WITH_REDIS],
        Store::Cluster => &[WITH_REDIS, WITH_A_CLUSTER],
    };
    [&[ANYWHERE], more].concat().concat()
}

impl Fault {
    /// Whether its name begins like this: `redis` is all that happens to Redis.
    fn is_called(self, name: &str) -> bool {
        format!("{self:?}").to_lowercase().starts_with(&name.to_lowercase())
    }

    /// Does it, undoes it, and waits until all is well again.
    pub(crate) fn happen(self, site: &Site, board: &Board, random: &mut Random) {
        let (at, start) = (random.below(site.addresses.len()), board.moment());
        let lasts = Duration::from_millis(300 + random.below(1_700) as u64);
        let what = match self {
            Self::Killed => {
                site.node(at).kill();
                site.start_again(at);
                "a node was killed"
            }
            Self::Restarted => {
                restart(site, at);
                "a node was restarted"
            }
            Self::Rolled => {
                for at in 0..site.addresses.len() {
                    restart(site, at);
                    site.ready();
                }
                "all nodes were restarted in turn"
            }
            Self::LinkSlow | Self::LinkReset => self.happen_to_link(&site.links[at], lasts),
            Self::FilesUsedUp => {
                take_descriptors(site, at, lasts);
                "a node had no file descriptors"
            }
            Self::LoginCrowd => {
                log_in_at_once(site, board, at);
                "many logged in at once"
            }
            Self::ConnectionCrowd => {
                hold_connections(site, at, lasts);
                "many connections were idle or slow"
            }
            Self::Stopped => {
                site.node(at).hang();
                let_time_pass(lasts);
                site.node(at).signal("CONT");
                "a node was stopped for a while"
            }
            Self::DateJumps(seconds) => {
                site.clocks.shift_date(seconds);
                let_time_pass(lasts);
                site.clocks.shift_date(0);
                "the date jumped"
            }
            Self::Disk(state) => {
                site.disk.set(state);
                let_time_pass(lasts);
                site.disk.set(DiskState::Works);
                "the disk failed"
            }
            Self::Failover(promotion) => {
                site.redis.fail_over(random.below(site.redis.len()), promotion, lasts);
                failed_over(promotion)
            }
            _ => self.happen_to_redis(site, random.below(site.redis.len()), lasts),
        };
        site.ready();
        let loss = self.loss(site.store);
        board.disturbed(Disturbance { what, start, end: board.moment(), loss });
    }

    /// What is lost in it.
    const fn loss(self, store: Store) -> Loss {
        match self {
            Self::Killed => store.crash(),
            Self::Failover(_) => Loss::Tail,
            _ => Loss::Nothing,
        }
    }

    fn happen_to_link(self, link: &Link, lasts: Duration) -> &'static str {
        if self == Self::LinkSlow {
            // From hardly more than usual to more than anybody waits for.
            slow_down(link, lasts);
            return "a link was slow";
        }
        reset(link, lasts);
        "a link was reset"
    }

    /// What happens to one server.
    fn happen_to_redis(self, site: &Site, at: usize, lasts: Duration) -> &'static str {
        match self {
            Self::RedisStopped => {
                site.redis.stop(at, lasts);
                "Redis was stopped for a while"
            }
            Self::RedisFull => {
                site.redis.fill(at, lasts);
                "Redis was full"
            }
            Self::RedisLinkSlow => {
                // Around the time that an answer is waited for.
                slow_down(site.redis.link(at), lasts / 2);
                "a link to Redis was slow"
            }
            Self::RedisLinkReset => {
                reset(site.redis.link(at), lasts);
                "a link to Redis was reset"
            }
            _ => {
                site.redis.kill(at, lasts);
                "Redis was killed"
            }
        }
    }
}

const fn failed_over(promotion: Promotion) -> &'static str {
    match promotion {
        Promotion::Elected => "a master was killed and its replica elected",
        Promotion::Forced => "a master was killed and its replica made master",
        Promotion::ForcedBehind => "a master was killed and its replica, far behind, made master",
    }
}

fn slow_down(link: &Link, delay: Duration) {
    link.delay(delay);
    let_time_pass(Duration::from_secs(1));
    link.delay(Duration::ZERO);
}

fn reset(link: &Link, lasts: Duration) {
    for _ in 0..RESETS {
        link.reset();
        let_time_pass(lasts / RESETS);
    }
}

fn restart(site: &Site, at: usize) {
    site.node(at).signal("TERM");
    let ended = site.node(at).wait_for_end(TIMEOUT);
    assert!(ended.success(), "{ended:?}");
    site.start_again(at);
}
