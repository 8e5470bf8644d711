-- What secrets' logins are minted from, and when each is minted anew.
CREATE TABLE mints (
  secret_guid  TEXT PRIMARY KEY REFERENCES secrets (guid) ON DELETE CASCADE,
  project_guid TEXT NOT NULL,
  guid         TEXT NOT NULL,           -- to what the sealed value is bound: another one with each new key
  sealed       BLOB NOT NULL,
  key_id       TEXT REFERENCES sealing_keys (id),
  due_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX mints_due ON mints (due_at);
CREATE INDEX mints_by_key ON mints (key_id);
