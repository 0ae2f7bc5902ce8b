//! The binary `business-service`.

use std::process::ExitCode;

fn main() -> ExitCode {
    business_service::run()
}
