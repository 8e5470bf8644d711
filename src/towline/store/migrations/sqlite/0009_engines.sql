-- Engines beside the installation's own. Their keys are sealed; which engine is taken where none is named.

CREATE TABLE engines (
  guid   TEXT PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE,
  body   TEXT NOT NULL,
  sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE engine_defaults (
  project_guid TEXT PRIMARY KEY REFERENCES projects (guid) ON DELETE CASCADE,
  engine       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A deployment's engine is fixed when it is made: what there is runs on the installation's own.
ALTER TABLE deployments ADD COLUMN engine TEXT NOT NULL DEFAULT '';
UPDATE deployments SET engine = coalesce((SELECT value FROM settings WHERE name = 'engine'), 'embedded');
CREATE INDEX deployments_by_engine ON deployments (engine) WHERE deleted_at IS NULL OR due_at IS NOT NULL;
