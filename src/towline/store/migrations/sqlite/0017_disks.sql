-- Disks. A row outlives its deletion, and its project, until the data are gone from the engine: it refers to
-- neither. A disk without engine was never mounted.
CREATE TABLE disks (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  guid         TEXT NOT NULL UNIQUE,
  project_guid TEXT NOT NULL,
  name         TEXT NOT NULL,
  creator_guid TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  capacity     INTEGER NOT NULL,        -- GiB
  labels       TEXT NOT NULL,
  engine       TEXT NOT NULL,
  machine      TEXT NOT NULL,
  deleted_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX disks_live_names ON disks (project_guid, name) WHERE deleted_at IS NULL;
CREATE INDEX disks_in_order ON disks (project_guid, seq);
CREATE INDEX disks_doomed ON disks (deleted_at) WHERE deleted_at IS NOT NULL;

-- Which deployments have which disks: from the wish that first names one until no container of a generation
-- that did is left. `generation` is the newest that does.
CREATE TABLE disk_uses (
  disk_guid       TEXT NOT NULL REFERENCES disks (guid) ON DELETE CASCADE,
  deployment_guid TEXT NOT NULL REFERENCES deployments (guid) ON DELETE CASCADE,
  generation      INTEGER NOT NULL,
  PRIMARY KEY (disk_guid, deployment_guid)
) STRICT, WITHOUT ROWID;

CREATE INDEX disk_uses_of_deployment ON disk_uses (deployment_guid);
