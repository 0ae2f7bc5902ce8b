//! The `reinflate` binary.

use std::process::ExitCode;

use wiping_alloc::WipingAlloc;

/// A tenth of a request is allocation; and what many expired sessions leave goes back to the system.
/// What is freed while somebody is served who may send a password is wiped first.
#[global_allocator]
static ALLOCATOR: WipingAlloc = WipingAlloc;

fn main() -> ExitCode {
    pair::main()
}
