-- Which key each sealed value stands under: told by the value's first bytes, kept beside it to be counted.
-- A key that is retired loses its row here, so that the database itself refuses a value under it. Values that
-- are there already get their key noted when keys are looked at first (store/rows/keys.py, name_all).
CREATE TABLE sealing_keys (
  id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE retired_keys (
  id         TEXT PRIMARY KEY,
  retired_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE secret_versions ADD COLUMN key_id TEXT REFERENCES sealing_keys (id);
ALTER TABLE webhooks ADD COLUMN key_id TEXT REFERENCES sealing_keys (id);
ALTER TABLE engines ADD COLUMN key_id TEXT REFERENCES sealing_keys (id);

CREATE INDEX secret_versions_by_key ON secret_versions (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX webhooks_by_key ON webhooks (key_id);
