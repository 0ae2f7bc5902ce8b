//! The `auth-service` binary.

use std::process::ExitCode;

use wiping_alloc::WipingAlloc;

/// A tenth of a request is allocation; and what many expired sessions leave goes back to the system.
/// Memory is wiped when it is freed, except where no password can be: buffers of hyper contain passwords, too.
#[global_allocator]
static ALLOCATOR: WipingAlloc = WipingAlloc;

fn main() -> ExitCode {
    auth_service::main()
}
