-- Collation "C": the order and the equality of bytes, as in SQLite, whatever the server's locale.
CREATE TABLE users (
    id            TEXT COLLATE "C" PRIMARY KEY,
    email         TEXT NOT NULL,
    email_key     TEXT COLLATE "C" NOT NULL UNIQUE,
    search_key    TEXT COLLATE "C" NOT NULL,
    first_name    TEXT,
    last_name     TEXT,
    roles         TEXT NOT NULL,
    is_admin      BIGINT NOT NULL,
    disabled      BIGINT NOT NULL,
    demo          BIGINT NOT NULL,
    password_hash TEXT NOT NULL,
    generation    BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

CREATE INDEX users_admins ON users (id) WHERE is_admin = 1;

CREATE TABLE session_endings (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      TEXT NOT NULL,
    generation   BIGINT NOT NULL,
    kept_session TEXT
);
