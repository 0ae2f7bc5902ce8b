//! What systemd hears: ready, alive, ending.

use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use crate::harness::{AuthService, BusinessService, Launch, TIMEOUT};

/// The socket that systemd would listen on.
struct Systemd {
    home: TempDir,
    socket: UnixDatagram,
}

impl Systemd {
    fn new() -> Self {
        let home = TempDir::with_prefix("reinflate-e2e-").unwrap();
        let socket = UnixDatagram::bind(home.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self { home, socket }
    }

    fn watches(&self, launch: Launch, limit_us: u32) -> Launch {
        launch
            .var("NOTIFY_SOCKET", self.home.path().join("notify").display().to_string())
            .var("WATCHDOG_USEC", limit_us.to_string())
    }

    /// The next message.
    #[track_caller]
    fn next(&self) -> String {
        let mut message = [0; 512];
        let length = self.socket.recv(&mut message).expect("a message in time");
        String::from_utf8_lossy(&message[..length]).into_owned()
    }
}

#[test]
fn a_service_says_when_it_is_ready_that_it_lives_and_when_it_ends() {
    let systemd = Systemd::new();
    let mut auth = AuthService::launch(&systemd.watches(Launch::auth(), 200_000));
    assert_eq!(systemd.next(), "READY=1\nSTATUS=ready\n");
    auth.internal.get("/readyz").expect(200);
    for _ in 0..3 {
        assert_eq!(systemd.next(), "WATCHDOG=1\n");
    }
    auth.signal("TERM");
    let last = loop {
        let message = systemd.next();
        if message != "WATCHDOG=1\n" {
            break message;
        }
    };
    assert_eq!(last, "STOPPING=1\n");
    assert_eq!(auth.wait_for_end(TIMEOUT).code(), Some(0));
}

#[test]
fn a_service_that_waits_for_another_has_started_all_the_same() {
    let systemd = Systemd::new();
    // Nobody listens there.
    let launch = systemd.watches(Launch::business(1), 0);
    let business = BusinessService::launch(&launch);
    assert_eq!(systemd.next(), "READY=1\nSTATUS=serving; not ready, see /readyz\n");
    assert_eq!(business.public.get("/readyz").status, 503);
}
