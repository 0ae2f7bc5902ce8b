//! The `reinflate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    pair::main()
}
