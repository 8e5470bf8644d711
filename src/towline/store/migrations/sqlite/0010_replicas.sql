-- Work that one server at a time does for all: who has it, until when, and how often it changed hands.
CREATE TABLE leases (
  name       TEXT PRIMARY KEY,
  owner      TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  epoch      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a deployment lives whose engine is a machine's own; empty on an engine that all servers reach.
ALTER TABLE deployments ADD COLUMN machine TEXT NOT NULL DEFAULT '';

CREATE INDEX deployments_claimable_here ON deployments (machine, claimable_at) WHERE claimable_at IS NOT NULL;
DROP INDEX deployments_claimable;
