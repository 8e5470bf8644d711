-- What happened, in order, for those who want to be told; and who wants to be told where.
CREATE TABLE events (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  kind         TEXT NOT NULL,
  body         TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_project ON events (project_guid, seq);

CREATE TABLE webhooks (
  guid         TEXT PRIMARY KEY,
  project_guid TEXT NOT NULL REFERENCES projects (guid) ON DELETE CASCADE,
  name         TEXT NOT NULL,
  body         TEXT NOT NULL,
  sealed       BLOB NOT NULL,           -- the key that its deliveries are signed with
  UNIQUE (project_guid, name)
) STRICT, WITHOUT ROWID;

-- Written in the transaction of its event, so that no event is lost between commit and sending.
CREATE TABLE deliveries (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook_guid TEXT NOT NULL REFERENCES webhooks (guid) ON DELETE CASCADE,
  event_seq    INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
  attempts     INTEGER NOT NULL DEFAULT 0,
  due_at       INTEGER,                 -- none once it is delivered or given up
  outcome      TEXT NOT NULL DEFAULT '' -- of the last attempt
) STRICT;

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_of_webhook ON deliveries (webhook_guid, seq);
CREATE INDEX deliveries_of_event ON deliveries (event_seq);
