//! What a record says of itself in a byte: how its token travels, and what of it is being written.

use crate::Transport;

/// A byte of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(u8);

/// One mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag(u8);

const COOKIE: Flag = Flag(1);
/// It was used, and that will be written at a tick.
pub(super) const USED: Flag = Flag(2);
/// Its secret, or its end, is being written: requests that present it wait for that.
pub(super) const WRITING: Flag = Flag(4);
/// Its values are being written: requests that read or write them wait for that.
pub(super) const WRITING_VALUES: Flag = Flag(8);
/// It ends once what is being written is written.
pub(super) const ENDING: Flag = Flag(16);

impl Flags {
    pub(super) const fn of(transport: Transport) -> Self {
        match transport {
            Transport::Bearer => Self(0),
            Transport::Cookie => Self(COOKIE.0),
        }
    }

    pub(super) const fn transport(self) -> Transport {
        if self.has(COOKIE) { Transport::Cookie } else { Transport::Bearer }
    }

    pub(super) const fn has(self, flag: Flag) -> bool {
        self.0 & flag.0 != 0
    }

    pub(super) const fn set(&mut self, flag: Flag) {
        self.0 |= flag.0;
    }

    pub(super) const fn clear(&mut self, flag: Flag) {
        self.0 &= !flag.0;
    }
}
