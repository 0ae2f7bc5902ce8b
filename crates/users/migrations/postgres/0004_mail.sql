-- Whether mail has shown that the address is the user's. Who was there before was let in by whoever
-- runs the service.
ALTER TABLE users ADD COLUMN email_verified BIGINT NOT NULL DEFAULT 1;

-- What a mail lets its reader do, once. The ticket itself is only in the mail.
CREATE TABLE mail_tickets (
    digest          TEXT COLLATE "C" PRIMARY KEY,
    purpose         TEXT NOT NULL,
    user_id         TEXT COLLATE "C",
    address         TEXT NOT NULL,
    address_key     TEXT COLLATE "C" NOT NULL,
    generation      BIGINT NOT NULL,
    spared_session    TEXT,
    password_hash   TEXT,
    first_name      TEXT,
    last_name       TEXT,
    wrong_passwords BIGINT NOT NULL,
    expires_at_ms   BIGINT NOT NULL
);

CREATE INDEX mail_tickets_user ON mail_tickets (user_id);
CREATE INDEX mail_tickets_address ON mail_tickets (address_key);
CREATE INDEX mail_tickets_expiry ON mail_tickets (expires_at_ms);

-- Tickets that are used, over or replaced, so that they are told from those that never were.
CREATE TABLE mail_tickets_spent (
    digest    TEXT COLLATE "C" PRIMARY KEY,
    forget_ms BIGINT NOT NULL
);

CREATE INDEX mail_tickets_spent_forget ON mail_tickets_spent (forget_ms);

-- Mails that have not been sent yet, and requests of which the sender decides who gets what.
CREATE TABLE mail_outbox (
    id            TEXT COLLATE "C" PRIMARY KEY,
    kind          TEXT NOT NULL,
    user_id       TEXT,
    address       TEXT NOT NULL,
    generation    BIGINT NOT NULL,
    spared_session  TEXT,
    ticket        TEXT,
    password_hash TEXT,
    first_name    TEXT,
    last_name     TEXT,
    device        TEXT,
    ip            TEXT,
    created_at_ms BIGINT NOT NULL,
    due_at_ms     BIGINT NOT NULL,
    attempts      BIGINT NOT NULL
);

CREATE INDEX mail_outbox_due ON mail_outbox (due_at_ms, id);

-- One row: which of several processes sends, and until when it need not say so again.
CREATE TABLE mail_sender (
    only_row    BIGINT PRIMARY KEY CHECK (only_row = 1),
    holder      TEXT NOT NULL,
    lease_until BIGINT NOT NULL
);

INSERT INTO mail_sender (only_row, holder, lease_until) VALUES (1, '', 0);

-- From where each user has logged in: a digest of address and user agent.
CREATE TABLE user_devices (
    user_id    TEXT COLLATE "C" NOT NULL,
    device     TEXT COLLATE "C" NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (user_id, device)
);
