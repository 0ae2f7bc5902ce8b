//! The `auth-service` binary.

use std::process::ExitCode;

use wiping_alloc::WipingAlloc;

/// A tenth of a request is allocation; and what many expired sessions leave goes back to the system.
/// What is freed is wiped first, but where no password can be: it stands in buffers of hyper, too.
#[global_allocator]
static ALLOCATOR: WipingAlloc = WipingAlloc;

fn main() -> ExitCode {
    auth_service::main()
}
