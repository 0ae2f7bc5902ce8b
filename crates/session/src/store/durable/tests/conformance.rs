//! Every sentence of the trait, on this store.

use super::*;
use crate::store::conformance::{conformance_tests, for_each_case};

/// The fixture of a case, within the runtime of its test.
fn fixture() -> Fixture {
    let machine = Machine::new();
    let path = machine.path();
    let clock = machine.clock.clone();
    let running = std::thread::scope(|threads| {
        let runtime = tokio::runtime::Handle::current();
        let opening = threads.spawn(move || runtime.block_on(start(&path, &clock)));
        opening.join().unwrap().unwrap()
    });
    running.fixture.keeping((machine, running.cancel.drop_guard()))
}

for_each_case!(conformance_tests);
