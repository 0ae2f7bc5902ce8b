-- How users.email_key is made. What is older than the program's is made anew at its start, in the
-- same transaction as this.
CREATE TABLE username_keys (
    version BIGINT NOT NULL
);

INSERT INTO username_keys (version) VALUES (1);
