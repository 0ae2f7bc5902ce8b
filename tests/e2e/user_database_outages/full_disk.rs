//! No room is left for the file: in a file system of its own, where one may be mounted.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::{Site, expect_unavailable};
use crate::harness::{ANN, AuthService, LONG_PASSWORD, Launch};

/// A small disk, which is taken away when dropped.
struct SmallDisk {
    mount: TempDir,
}

impl SmallDisk {
    /// `None` where this user may mount nothing.
    fn mount() -> Option<Self> {
        let mount = TempDir::with_prefix("reinflate-e2e-").unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs"])
            .arg(mount.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { mount })
    }

    fn path(&self) -> &Path {
        self.mount.path()
    }

    /// Leaves not a byte.
    fn fill(&self) {
        let mut size = 1024 * 1024;
        while size > 0 {
            if fs::write(self.path().join(format!("filler{size}")), vec![0; size]).is_err() {
                size /= 2;
            } else {
                size = size.min(512 * 1024);
                let again = self.path().join(format!("filler{size}-again"));
                if fs::write(again, vec![0; size]).is_err() {
                    size /= 2;
                }
            }
        }
    }

    fn make_room(&self) {
        for entry in fs::read_dir(self.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("filler") {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the service may be the last to let go.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn with_the_disk_full_changes_are_503_and_nobody_is_lost() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: a file system may not be mounted here");
        return;
    };
    let database = format!("sqlite:{}", disk.path().join("users.db").display());
    let launch = Launch::auth().var("AUTH_DATABASE_URL", database);
    let site = Site::on(AuthService::launch(&launch));
    site.creation("before@example.com").expect(201);
    disk.fill();
    let mut acknowledged = Vec::new();
    // What is left of the last page may hold a few.
    let refused = (0..200).find_map(|n| {
        let name = format!("u{n}@example.com");
        let answer = site.creation(&name);
        if answer.status == 201 {
            acknowledged.push(name);
            return None;
        }
        Some(answer)
    });
    expect_unavailable(refused.expect("there is no room"));
    expect_unavailable(site.auth.api_put(
        "/users/me",
        &site.ann,
        &json!({"first_name": "A".repeat(100)}),
    ));
    site.sessions_go_on();
    site.auth.try_login(ANN, LONG_PASSWORD).expect(200);
    disk.make_room();
    site.recovers();
    drop(site);
    let again = AuthService::launch(&launch);
    for name in
        acknowledged.iter().map(String::as_str).chain(["before@example.com", "new@example.com"])
    {
        again.login(name, LONG_PASSWORD);
    }
}
