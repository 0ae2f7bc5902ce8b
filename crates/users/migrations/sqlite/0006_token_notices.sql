-- The notices that were given of tokens that end soon: each once, by whichever node took it first.
CREATE TABLE token_notices (
    session_id     TEXT NOT NULL,
    mark           TEXT NOT NULL,
    -- Until when the node that took it may still be giving it; NULL once it is given.
    taken_until_ms INTEGER,
    forget_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (session_id, mark)
) STRICT;

CREATE INDEX token_notices_forget ON token_notices (forget_at_ms);

-- One row: when somebody is to look for such tokens again.
CREATE TABLE token_notice_walk (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    next_at_ms INTEGER NOT NULL
) STRICT;

INSERT INTO token_notice_walk (only_row, next_at_ms) VALUES (1, 0);

-- Of a mail about such a token: what it is called, and when it ends.
ALTER TABLE mail_outbox ADD COLUMN token_name TEXT;
ALTER TABLE mail_outbox ADD COLUMN token_ends_ms INTEGER;
