//! Rows and their table, written once.

/// Makes a constant of each row, and one slice of all rows in the order in which they stand.
///
/// ```
/// use std::time::Duration;
///
/// use server_runtime::settings::{DURATION, Optional, Setting, TEXT};
///
/// server_runtime::settings_table! {
///     /// The settings of a kettle.
///     pub TABLE;
///
///     BOIL_FOR: Setting<Duration> = Setting::new("KETTLE_BOIL_FOR", DURATION, "How long it boils")
///         .with_flag("boil-for")
///         .with_default("3m");
///     LABEL: Optional<String> = Setting::new("KETTLE_LABEL", TEXT, "What is written on it");
/// }
///
/// assert_eq!(TABLE[0].variable, BOIL_FOR.variable);
/// assert_eq!(TABLE.len(), 2);
/// ```
#[macro_export]
macro_rules! settings_table {
    (
        $(#[$doc:meta])*
        $visible:vis $table:ident;
        $($name:ident: $type:ty = $row:expr;)+
    ) => {
        $(#[$doc])*
        $visible const $table: &[$crate::settings::Row] = &[$($name.row()),+];
        $(
            #[doc = concat!("The row `", stringify!($name), "` of [`", stringify!($table), "`].")]
            $visible const $name: $type = $row;
        )+
    };
}
