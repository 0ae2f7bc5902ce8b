-- Why the sessions ended, for those who carry the endings out. None was written before.
ALTER TABLE session_endings ADD COLUMN cause TEXT;
