//! The `auth-service` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A tenth of a request is allocation; and what many expired sessions leave goes back to the system.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    auth_service::main()
}
