-- The first schema. Times are microseconds since 1970 in UTC. `seq` orders lists and is their page token.
-- Values that are nested (a wish, a status, an answer) are JSON in one column; what is searched for has its own.

-- People, and what they sign in with -------------------------------------------------------------------

CREATE TABLE users (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  guid          TEXT NOT NULL UNIQUE,
  email         TEXT NOT NULL,
  email_key     TEXT NOT NULL UNIQUE,   -- the address in one letter case
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
  digest     BLOB PRIMARY KEY,          -- SHA-256 of the token, which itself is not kept
  guid       TEXT NOT NULL UNIQUE,
  user_guid  TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  kind       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_user ON tokens (user_guid);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);

-- Whom things belong to --------------------------------------------------------------------------------

CREATE TABLE organizations (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  guid         TEXT NOT NULL UNIQUE,
  name         TEXT NOT NULL,
  short_guid   TEXT NOT NULL,
  creator_guid TEXT NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX organizations_by_name ON organizations (name);

CREATE TABLE projects (
  seq               INTEGER PRIMARY KEY AUTOINCREMENT,
  guid              TEXT NOT NULL UNIQUE,
  name              TEXT NOT NULL,
  organization_guid TEXT NOT NULL REFERENCES organizations (guid),
  creator_guid      TEXT NOT NULL,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL,
  labels            TEXT NOT NULL,
  features          BLOB NOT NULL,
  UNIQUE (organization_guid, name)
) STRICT;

CREATE TABLE members (
  owner_guid TEXT NOT NULL,             -- an organization or a project
  user_guid  TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
  roles      TEXT NOT NULL,
  PRIMARY KEY (owner_guid, user_guid)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_user ON members (user_guid);

-- Secrets ----------------------------------------------------------------------------------------------

CREATE TABLE secrets (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  guid         TEXT NOT NULL UNIQUE,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  version      INTEGER NOT NULL,
  kind         TEXT NOT NULL CHECK (kind IN ('Docker', 'Opaque')),
  labels       TEXT NOT NULL,
  body         TEXT NOT NULL,
  document     BLOB NOT NULL,           -- the answer to a GET, ready-made
  UNIQUE (project_guid, name)
) STRICT;

CREATE INDEX secrets_in_order ON secrets (project_guid, seq);

CREATE TABLE secret_versions (
  secret_guid  TEXT NOT NULL REFERENCES secrets (guid) ON DELETE CASCADE,
  version      INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  creator_guid TEXT NOT NULL,
  body         TEXT,                    -- what the version was like, once it is replaced
  sealed       BLOB,                    -- its value, until it is replaced
  PRIMARY KEY (secret_guid, version),
  CHECK ((body IS NULL) <> (sealed IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE proofs (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  guid        TEXT NOT NULL UNIQUE,
  secret_guid TEXT NOT NULL REFERENCES secrets (guid) ON DELETE CASCADE,
  image       TEXT NOT NULL,
  body        TEXT NOT NULL
) STRICT;

CREATE INDEX proofs_of_secret ON proofs (secret_guid, seq);
CREATE INDEX proofs_of_image ON proofs (secret_guid, image, seq);

CREATE TABLE registries (
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  netloc       TEXT NOT NULL,
  body         TEXT NOT NULL,
  PRIMARY KEY (project_guid, netloc)
) STRICT, WITHOUT ROWID;

-- What is deployed -------------------------------------------------------------------------------------

CREATE TABLE packages (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  guid         TEXT NOT NULL UNIQUE,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  version      TEXT NOT NULL,
  labels       TEXT NOT NULL,
  body         TEXT NOT NULL,
  UNIQUE (project_guid, name, version)
) STRICT;

CREATE INDEX packages_in_order ON packages (project_guid, seq);

CREATE TABLE deployments (
  seq             INTEGER PRIMARY KEY AUTOINCREMENT,
  guid            TEXT NOT NULL UNIQUE,
  project_guid    TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name            TEXT NOT NULL,
  creator_guid    TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  -- the wish: services write it
  updated_at      INTEGER NOT NULL,
  generation      INTEGER NOT NULL,
  labels          TEXT NOT NULL,
  package_name    TEXT NOT NULL,
  package_version TEXT NOT NULL,
  wish            TEXT NOT NULL,
  deleted_at      INTEGER,
  -- the status: the reconciler writes it
  phase           TEXT NOT NULL,
  status          TEXT NOT NULL,
  -- the work: when it is due, how often it was rung for, and who is at it
  due_at          INTEGER,
  wakes           INTEGER NOT NULL DEFAULT 0,
  lease_owner     TEXT,
  lease_expires   INTEGER,
  epoch           INTEGER NOT NULL DEFAULT 0,
  claimable_at    INTEGER GENERATED ALWAYS AS (max(due_at, coalesce(lease_expires, 0))) VIRTUAL,
  CHECK ((lease_owner IS NULL) = (lease_expires IS NULL))
) STRICT;

CREATE UNIQUE INDEX deployments_live_names ON deployments (project_guid, name) WHERE deleted_at IS NULL;
CREATE INDEX deployments_in_order ON deployments (project_guid, seq);
CREATE INDEX deployments_live_in_order ON deployments (project_guid, seq) WHERE deleted_at IS NULL;
CREATE INDEX deployments_due ON deployments (due_at, lease_expires) WHERE due_at IS NOT NULL;
CREATE INDEX deployments_claimable ON deployments (claimable_at) WHERE claimable_at IS NOT NULL;

-- Which secrets a live deployment names, by the name or guid that it uses: whom a changed secret wakes.
CREATE TABLE deployment_secrets (
  deployment_guid TEXT NOT NULL REFERENCES deployments (guid) ON DELETE CASCADE,
  project_guid    TEXT NOT NULL,
  secret          TEXT NOT NULL,
  PRIMARY KEY (project_guid, secret, deployment_guid)
) STRICT, WITHOUT ROWID;

CREATE INDEX deployment_secrets_by_deployment ON deployment_secrets (deployment_guid);

-- The audit trail: rows are added and never changed; each holds the hash of itself and the row before ----

CREATE TABLE audit (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  project_guid TEXT NOT NULL,
  subject      TEXT NOT NULL,
  body         TEXT NOT NULL,
  hash         BLOB NOT NULL
) STRICT;

CREATE INDEX audit_by_project ON audit (project_guid, seq);
CREATE INDEX audit_by_subject ON audit (subject, seq);

-- SQLite only: PostgreSQL has its own.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'audit rows are never changed'); END;

-- SQLite only: PostgreSQL has its own.
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'audit rows are never deleted'); END;

-- REPLACE deletes without asking the trigger above.
-- SQLite only: PostgreSQL has its own.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = new.seq)
BEGIN SELECT raise(ABORT, 'audit rows are never replaced'); END;

-- Facts about this installation -------------------------------------------------------------------------

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
