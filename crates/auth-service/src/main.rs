//! The `auth-service` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    auth_service::main()
}
