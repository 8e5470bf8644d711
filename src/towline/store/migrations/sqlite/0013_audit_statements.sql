-- Signed statements about the audit trail (domain/audit_chain.py), and the keys that they are signed by, sealed.
CREATE TABLE audit_signers (
  public_key TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  sealed     BLOB NOT NULL,
  key_id     TEXT REFERENCES sealing_keys (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_statements (
  seq        INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  first      INTEGER NOT NULL,
  before     BLOB NOT NULL,
  hash       BLOB NOT NULL,
  at         TEXT NOT NULL,
  public_key TEXT NOT NULL,
  signature  BLOB NOT NULL,
  PRIMARY KEY (seq, kind)
) STRICT, WITHOUT ROWID;

-- Rows may go once a statement stands in their place.
-- SQLite only: PostgreSQL has its own.
DROP TRIGGER audit_is_not_deleted;

-- SQLite only: PostgreSQL has its own.
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
WHEN old.seq > (SELECT coalesce(max(seq), 0) FROM audit_statements WHERE kind = 'pruned')
BEGIN SELECT raise(ABORT, 'audit rows are never deleted'); END;
