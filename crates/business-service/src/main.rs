//! The binary `business-service`.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// A tenth of a request is allocation; and what many expired sessions leave goes back to the system.
/// What is freed is wiped first: a password stands in buffers of hyper, serde and others, too.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    business_service::run()
}
