//! The binary `business-service`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A tenth of a request is allocation. No password comes here.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    business_service::main()
}
