CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL UNIQUE,
    search_key    TEXT NOT NULL,
    first_name    TEXT,
    last_name     TEXT,
    roles         TEXT NOT NULL,
    is_admin      INTEGER NOT NULL,
    disabled      INTEGER NOT NULL,
    demo          INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    generation    INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX users_admins ON users (id) WHERE is_admin = 1;

-- AUTOINCREMENT: a number is not given again after the newest row was removed.
CREATE TABLE session_endings (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      TEXT NOT NULL,
    generation   INTEGER NOT NULL,
    kept_session TEXT
) STRICT;
