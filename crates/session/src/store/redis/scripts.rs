//! The scripts of the store. Each does one step on one key, and looks in that step whether there is
//! what it changes: none creates a session but `CREATE`. What issues, rotates or ends a session appends its
//! event in that step, and before the change: where one fails, neither is done.
//!
//! INVARIANT: what only uses, looks or removes goes on when the server is out of memory.

use crate::redis_connection::script;

// The index of a subject.
script!(ENTER, "", "enter.lua");
script!(SETTLE, "", "settle.lua");
script!(ENTRIES, " flags=allow-oom", "entries.lua");
script!(FORGET, " flags=allow-oom", "forget.lua");

// A session.
script!(CREATE, "", "record.lua", "events.lua", "create.lua");
script!(TOUCH, " flags=allow-oom", "record.lua", "events.lua", "touch.lua");
script!(ROTATE, " flags=allow-oom", "record.lua", "events.lua", "rotate.lua");
script!(END_PRESENTED, " flags=allow-oom", "record.lua", "events.lua", "end_presented.lua");
script!(END_REUSED, " flags=allow-oom", "record.lua", "events.lua", "end_reused.lua");
script!(REMOVE, " flags=allow-oom", "record.lua", "events.lua", "remove.lua");
script!(LOOK, " flags=allow-oom", "record.lua", "look.lua");
script!(SCANNED, " flags=allow-oom", "record.lua", "scan.lua");
script!(END, " flags=allow-oom", "record.lua", "events.lua", "end.lua");
script!(VALUES, " flags=allow-oom", "record.lua", "values.lua");
script!(WRITE_VALUE, "", "record.lua", "write_value.lua");

// Events that are about no session, and the stream.
script!(APPEND_EVENT, " flags=allow-oom", "record.lua", "events.lua", "append_event.lua");
script!(READ_EVENTS, " flags=allow-oom", "read_events.lua");

// What outlives the process beside them.
script!(SWAP_CHECKPOINT, " flags=allow-oom", "swap_checkpoint.lua");

// The whole server.
script!(COUNT, " flags=allow-oom", "count.lua");
