//! A disk as a process sees it: one that answers, fails, fills up or hangs when a test says so, by a
//! library that is loaded before the system's. It is about the files of one name alone, and needs
//! no rights that a user has not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::{Launch, skip_unless_installed};

/// What the disk does stands in a file that a variable names; another names the files.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char state(void) {
    const char *path = getenv("DISK_STATE");
    char first = 'w';
    int file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return first;
    if (syscall(SYS_read, file, &first, 1) != 1) first = 'w';
    syscall(SYS_close, file);
    return first;
}

static int is_meant(int file) {
    char link[64], path[4096];
    const char *name = getenv("DISK_FILE");
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!name || length < 0) return 0;
    path[length] = 0;
    return strstr(path, name) != 0;
}

static int synced(int file, long number) {
    if (state() != 'w' && is_meant(file)) {
        while (state() == 'h') usleep(5000);
        if (state() == 'f') { errno = EIO; return -1; }
    }
    return syscall(number, file);
}
int fsync(int file) { return synced(file, SYS_fsync); }
int fdatasync(int file) { return synced(file, SYS_fdatasync); }

static int is_full(int file) {
    if (state() != 'n' || !is_meant(file)) return 0;
    errno = ENOSPC;
    return 1;
}
ssize_t write(int file, const void *bytes, size_t count) {
    return is_full(file) ? -1 : syscall(SYS_write, file, bytes, count);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return is_full(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return pwrite64(file, bytes, count, at);
}

static int is_read_only(const char *path, int flags) {
    const char *name = getenv("DISK_FILE");
    size_t length = strlen(path), ending = name ? strlen(name) : 0;
    int writes = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_EXCL);
    return writes && ending && length >= ending && !strcmp(path + length - ending, name)
        && state() == 'r';
}
static int opened(const char *path, int flags, mode_t mode) {
    if (is_read_only(path, flags)) { errno = EACCES; return -1; }
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags | O_LARGEFILE, mode);
}
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}
"#;

/// What a disk does with some files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// What it should.
    Works,
    /// It says that what was written did not reach it.
    FailsToSync,
    /// It does not say whether what was written reached it.
    Hangs,
    /// It has no room.
    NoRoom,
    /// The files may be read only, where they are opened from now on.
    ReadOnly,
}

/// The disk of a process.
pub struct Disk {
    directory: TempDir,
    name: &'static str,
}

impl Disk {
    /// A disk that works as yet, and is about files whose names hold this; `None` where no C compiler
    /// is there to make it.
    pub fn of(name: &'static str) -> Option<Self> {
        if skip_unless_installed("cc") {
            return None;
        }
        let directory = TempDir::with_prefix("reinflate-e2e-").expect("a directory");
        let disk = Self { directory, name };
        let (source, library) = (disk.file("disk.c"), disk.file("disk.so"));
        fs::write(&source, SOURCE).expect("a file can be written");
        let mut compiler = Command::new("cc");
        let compiler = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
        assert!(compiler.status().is_ok_and(|status| status.success()), "it does not compile");
        disk.set(DiskState::Works);
        Some(disk)
    }

    /// The same launch, on this disk.
    pub fn under(&self, launch: Launch) -> Launch {
        launch
            .preload(&self.file("disk.so"))
            .var("DISK_STATE", self.file("state").display().to_string())
            .var("DISK_FILE", self.name)
    }

    /// What it does from now on.
    pub fn set(&self, state: DiskState) {
        let letter = match state {
            DiskState::Works => "w",
            DiskState::FailsToSync => "f",
            DiskState::Hangs => "h",
            DiskState::NoRoom => "n",
            DiskState::ReadOnly => "r",
        };
        // Whole or not at all, since a process may read it at any time.
        let new = self.file("new");
        fs::write(&new, letter).expect("a file can be written");
        fs::rename(new, self.file("state")).expect("a file can be replaced");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
