-- Tokens that people make for programs: each has a name, and may be allowed less than its user.

ALTER TABLE tokens ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN ceiling INTEGER NOT NULL DEFAULT 6; -- domain/account.py, Permission
