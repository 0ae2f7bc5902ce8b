-- Whether a user is a service: it has no password and no address, and is never logged in.
ALTER TABLE users ADD COLUMN service INTEGER NOT NULL DEFAULT 0;
