-- The notices that were given of tokens that end soon: each once, by whichever node took it first.
CREATE TABLE token_notices (
    session_id     TEXT COLLATE "C" NOT NULL,
    mark           TEXT NOT NULL,
    -- Until when the node that took it may still be giving it; NULL once it is given.
    taken_until_ms BIGINT,
    forget_at_ms   BIGINT NOT NULL,
    PRIMARY KEY (session_id, mark)
);

CREATE INDEX token_notices_forget ON token_notices (forget_at_ms);

-- One row: when somebody is to look for such tokens again.
CREATE TABLE token_notice_walk (
    only_row   BIGINT PRIMARY KEY CHECK (only_row = 1),
    next_at_ms BIGINT NOT NULL
);

INSERT INTO token_notice_walk (only_row, next_at_ms) VALUES (1, 0);

-- Of a mail about such a token: what it is called, and when it ends.
ALTER TABLE mail_outbox ADD COLUMN token_name TEXT;
ALTER TABLE mail_outbox ADD COLUMN token_ends_ms BIGINT;
