//! The system's clocks as a process sees them, each shifted by what a test says: by a library that
//! is loaded before the system's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Launch, skip_unless_installed};

/// Seconds that are added to a clock stand in the file that a variable names.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long shift(const char *variable) {
    const char *path = getenv(variable);
    char text[32] = {0};
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return 0;
    long got = read(file, text, sizeof text - 1);
    close(file);
    return got > 0 ? strtol(text, 0, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = syscall(SYS_clock_gettime, clock, time);
    if (!failed && clock == CLOCK_BOOTTIME) time->tv_sec += shift("BOOT_TIME_SHIFT");
    if (!failed && clock == CLOCK_REALTIME) time->tv_sec += shift("DATE_SHIFT");
    return failed;
}
"#;

/// The clocks of a process.
pub struct Clocks {
    directory: TempDir,
}

impl Clocks {
    /// Clocks that go right as yet; `None` where no C compiler is there to make them.
    pub fn new() -> Option<Self> {
        if skip_unless_installed("cc") {
            return None;
        }
        let clocks =
            Self { directory: TempDir::with_prefix("reinflate-e2e-").expect("a directory") };
        let (source, library) = (clocks.file("clocks.c"), clocks.file("clocks.so"));
        fs::write(&source, SOURCE).expect("a file can be written");
        let mut compiler = Command::new("cc");
        let compiler = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
        assert!(compiler.status().is_ok_and(|status| status.success()), "it does not compile");
        clocks.shift("boot", 0);
        clocks.shift("date", 0);
        Some(clocks)
    }

    /// The same launch, by these clocks.
    pub fn of(&self, launch: Launch) -> Launch {
        let path = |name| self.file(name).display().to_string();
        launch
            .preload(&self.file("clocks.so"))
            .var("BOOT_TIME_SHIFT", path("boot"))
            .var("DATE_SHIFT", path("date"))
    }

    /// From now on, the machine was suspended for so long.
    pub fn suspend(&self, seconds: i64) {
        self.shift("boot", seconds);
    }

    /// From now on, the date is wrong by so much.
    pub fn shift_date(&self, seconds: i64) {
        self.shift("date", seconds);
    }

    /// Whole or not at all, since a process may read it at any time.
    fn shift(&self, clock: &str, seconds: i64) {
        let new = self.file("new");
        fs::write(&new, seconds.to_string()).expect("a file can be written");
        fs::rename(new, self.file(clock)).expect("a file can be replaced");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
