//! On which cores servers and generator run.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// Where everything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// All servers on core 0, the generator on core 1.
    Pinned,
    /// Wherever the kernel puts them.
    Unpinned,
}

impl Pinning {
    /// The letter that results and names of files have.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Pinned => "P",
            Self::Unpinned => "U",
        }
    }

    /// A command for a server, which ends when this process does.
    pub(crate) fn server(self, program: &str) -> Command {
        self.on_core("0", program)
    }

    /// A command for what makes the load.
    pub(crate) fn generator(self, program: &str) -> Command {
        self.on_core("1", program)
    }

    /// The cores for a server, as `taskset` wants them.
    pub(crate) fn server_cores(self) -> String {
        match self {
            Self::Pinned => "0".to_owned(),
            Self::Unpinned => format!("0-{}", cores() - 1),
        }
    }

    /// How many cores a server sees.
    pub(crate) fn visible_cores(self) -> usize {
        match self {
            Self::Pinned => 1,
            Self::Unpinned => cores(),
        }
    }

    fn on_core(self, core: &str, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if self == Self::Pinned {
            command.args(["taskset", "-c", core]);
        }
        command.arg(program);
        command
    }
}

/// Moves this process, and whatever it starts that says nothing else, to where the generator runs.
pub(crate) fn move_to_generator(pinning: Pinning) -> Result<()> {
    let cores = match pinning {
        Pinning::Pinned => "1".to_owned(),
        Pinning::Unpinned => Pinning::Unpinned.server_cores(),
    };
    move_process(std::process::id(), &cores)
}

/// Moves a running process with all its threads.
pub(crate) fn move_process(pid: u32, cores: &str) -> Result<()> {
    let output = Command::new("taskset").args(["-acp", cores, &pid.to_string()]).output();
    let output = output.context("taskset")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The cores that this process had at its beginning.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
