//! Feeds `packed`.

#![no_main]

#[path = "../targets.rs"]
#[expect(dead_code, reason = "the others have a binary of their own")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::packed(bytes));
