//! Who may look into this process's memory, where passwords and keys stand while they are in use.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps other processes of this user out of this one's memory, and the memory out of core dumps:
/// only the system's administrator may attach to it, or read what `/proc` shows of it.
///
/// Not so in a debug build: there somebody wants to attach a debugger, and the tests look for what
/// must not be found. Where a sandbox refuses it, the process is as open as it was.
pub fn hide() {
    if !cfg!(debug_assertions) {
        let _ = refuse_dumps();
    }
}

fn refuse_dumps() -> rustix::io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn a_hidden_process_is_not_dumpable_and_a_debug_build_is() {
        hide();
        assert_eq!(dumpable_behavior() == Ok(DumpableBehavior::Dumpable), cfg!(debug_assertions));
        refuse_dumps().unwrap();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
    }
}
