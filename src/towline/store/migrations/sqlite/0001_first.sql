CREATE TABLE users (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE, email TEXT NOT NULL,
  email_key TEXT NOT NULL UNIQUE, first_name TEXT NOT NULL, last_name TEXT NOT NULL,
  password_hash TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE tokens (
  digest BLOB PRIMARY KEY, guid TEXT NOT NULL UNIQUE, user_guid TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, kind TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_by_user ON tokens (user_guid);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE TABLE organizations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, short_guid TEXT NOT NULL,
  creator_guid TEXT NOT NULL, created_at INTEGER NOT NULL
);
CREATE INDEX organizations_by_name ON organizations (name);
CREATE TABLE projects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  organization_guid TEXT NOT NULL REFERENCES organizations (guid), creator_guid TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, labels TEXT NOT NULL, features BLOB NOT NULL,
  UNIQUE (organization_guid, name)
);
CREATE TABLE members (
  owner_guid TEXT NOT NULL, user_guid TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE, roles TEXT NOT NULL,
  PRIMARY KEY (owner_guid, user_guid)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_guid);
CREATE TABLE secrets (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, labels TEXT NOT NULL, body TEXT NOT NULL,
  document BLOB NOT NULL, UNIQUE (project_guid, name)
);
CREATE INDEX secrets_in_order ON secrets (project_guid, seq);
CREATE TABLE secret_versions (
  secret_guid TEXT NOT NULL REFERENCES secrets (guid) ON DELETE CASCADE, version INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, sealed BLOB, PRIMARY KEY (secret_guid, version)
) WITHOUT ROWID;
CREATE TABLE packages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name TEXT NOT NULL, version TEXT NOT NULL, labels TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (project_guid, name, version)
);
CREATE INDEX packages_in_order ON packages (project_guid, seq);
CREATE TABLE deployments (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name TEXT NOT NULL, package_name TEXT NOT NULL, package_version TEXT NOT NULL, phase TEXT NOT NULL,
  labels TEXT NOT NULL, status TEXT NOT NULL, generation INTEGER NOT NULL,
  deleted_at INTEGER, due_at INTEGER, wakes INTEGER NOT NULL DEFAULT 0,
  lease_owner TEXT, lease_expires INTEGER, epoch INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL
);
CREATE UNIQUE INDEX deployments_live_name ON deployments (project_guid, name) WHERE deleted_at IS NULL;
CREATE INDEX deployments_in_order ON deployments (project_guid, seq);
CREATE INDEX deployments_due ON deployments (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE deployment_secrets (
  deployment_guid TEXT NOT NULL REFERENCES deployments (guid) ON DELETE CASCADE,
  project_guid TEXT NOT NULL, secret TEXT NOT NULL, PRIMARY KEY (project_guid, secret, deployment_guid)
) WITHOUT ROWID;
CREATE INDEX deployment_secrets_by_deployment ON deployment_secrets (deployment_guid);
CREATE TABLE proofs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE,
  secret_guid TEXT NOT NULL, image TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX proofs_newest ON proofs (secret_guid, seq DESC);
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, project_guid TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL
);
CREATE INDEX audit_by_project ON audit (project_guid, seq);
CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END;
CREATE TABLE registries (
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE, netloc TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (project_guid, netloc)
) WITHOUT ROWID;
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
