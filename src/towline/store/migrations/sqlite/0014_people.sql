-- Service accounts, user groups, invitations, sessions that say where they came from, and single sign-on.

ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'User';               -- domain/account.py, UserKind
ALTER TABLE users ADD COLUMN organization_guid TEXT NOT NULL DEFAULT '';      -- whose service account it is
ALTER TABLE users ADD COLUMN disabled_at INTEGER;
ALTER TABLE users ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';

CREATE INDEX users_of_organization ON users (organization_guid) WHERE organization_guid <> '';

ALTER TABLE tokens ADD COLUMN via TEXT NOT NULL DEFAULT '';                   -- how the session began
ALTER TABLE tokens ADD COLUMN peer TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN parent_guid TEXT NOT NULL DEFAULT '';           -- the session that approved it
ALTER TABLE tokens ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';

CREATE INDEX tokens_by_parent ON tokens (parent_guid) WHERE parent_guid <> '';
CREATE INDEX tokens_by_provider_session ON tokens (provider_session) WHERE provider_session <> '';

ALTER TABLE device_logins ADD COLUMN approver_guid TEXT NOT NULL DEFAULT '';  -- the session that approved it

-- Groups: their members are rows of `members` whose owner is the group.
CREATE TABLE user_groups (
  seq               INTEGER PRIMARY KEY AUTOINCREMENT,
  guid              TEXT NOT NULL UNIQUE,
  organization_guid TEXT NOT NULL REFERENCES organizations (guid) ON DELETE CASCADE,
  name              TEXT NOT NULL,
  creator_guid      TEXT NOT NULL,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL,
  description       TEXT NOT NULL,
  labels            TEXT NOT NULL,
  UNIQUE (organization_guid, name)
) STRICT;

CREATE TABLE group_roles (
  owner_guid TEXT NOT NULL,             -- an organization or a project
  group_guid TEXT NOT NULL REFERENCES user_groups (guid) ON DELETE CASCADE,
  roles      TEXT NOT NULL,
  PRIMARY KEY (owner_guid, group_guid)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_roles_by_group ON group_roles (group_guid);

-- What a provider's claims give: rules of an organization, and what they gave at the last sign-in.
CREATE TABLE claim_rules (
  organization_guid TEXT NOT NULL REFERENCES organizations (guid) ON DELETE CASCADE,
  claim             TEXT NOT NULL,
  owner_guid        TEXT NOT NULL,      -- the organization, a project or a group of it
  role              TEXT NOT NULL,
  PRIMARY KEY (organization_guid, claim, owner_guid, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE claimed_roles (
  owner_guid TEXT NOT NULL,
  user_guid  TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
  roles      TEXT NOT NULL,
  PRIMARY KEY (owner_guid, user_guid)
) STRICT, WITHOUT ROWID;

CREATE INDEX claimed_roles_by_user ON claimed_roles (user_guid);

-- Everybody's roles in everything: by name, by claim, and through groups.
CREATE VIEW effective_roles AS
SELECT owner_guid, user_guid, roles FROM members
UNION ALL SELECT owner_guid, user_guid, roles FROM claimed_roles
UNION ALL SELECT g.owner_guid, m.user_guid, g.roles
  FROM group_roles AS g JOIN members AS m ON m.owner_guid = g.group_guid
UNION ALL SELECT g.owner_guid, c.user_guid, g.roles
  FROM group_roles AS g JOIN claimed_roles AS c ON c.owner_guid = g.group_guid;

-- Who an account of a provider is here; and a person who is to prove with the password that it is the same.
CREATE TABLE identities (
  issuer     TEXT NOT NULL,
  subject    TEXT NOT NULL,
  user_guid  TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_of_user ON identities (user_guid);

CREATE TABLE pending_links (
  digest     BLOB PRIMARY KEY,          -- SHA-256 of what the browser holds
  user_guid  TEXT NOT NULL REFERENCES users (guid) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  body       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE invitations (
  guid              TEXT PRIMARY KEY,
  digest            BLOB NOT NULL UNIQUE, -- SHA-256 of the link's secret
  organization_guid TEXT NOT NULL REFERENCES organizations (guid) ON DELETE CASCADE,
  email_key         TEXT NOT NULL,
  expires_at        INTEGER NOT NULL,
  body              TEXT NOT NULL,
  UNIQUE (organization_guid, email_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX invitations_by_address ON invitations (email_key);
