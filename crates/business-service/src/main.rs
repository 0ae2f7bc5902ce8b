//! The binary `business-service`.

use std::process::ExitCode;

use wiping_alloc::Mimalloc;

/// A tenth of a request is allocation. No password comes here.
#[global_allocator]
static ALLOCATOR: Mimalloc = Mimalloc;

fn main() -> ExitCode {
    business_service::main()
}
