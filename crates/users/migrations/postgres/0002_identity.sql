-- One row: what this database is known by beside others.
CREATE TABLE database_identity (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    id       TEXT NOT NULL
);

INSERT INTO database_identity (only_row, id) VALUES (1, gen_random_uuid()::text);

-- What made the sessions end.
ALTER TABLE session_endings ADD COLUMN cause TEXT;
