//! Faults that tests put in, to show that they would be found. Builds without debug assertions have
//! none of them: there, each of these does nothing.

#[cfg(any(debug_assertions, test))]
#[path = "seeded/faults.rs"]
mod faults;
#[cfg(not(any(debug_assertions, test)))]
#[path = "seeded/none.rs"]
mod faults;

pub(super) use faults::Seeded;
