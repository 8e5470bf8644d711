-- When each secret is tried again: its login (image '') and each image that was pulled with it.
CREATE TABLE proof_schedule (
  secret_guid  TEXT NOT NULL REFERENCES secrets (guid) ON DELETE CASCADE,
  image        TEXT NOT NULL,
  project_guid TEXT NOT NULL,
  due_at       INTEGER NOT NULL,
  PRIMARY KEY (secret_guid, image)
) STRICT, WITHOUT ROWID;

CREATE INDEX proof_schedule_due ON proof_schedule (due_at);

-- Secrets that were there before are spread over the next six hours.
-- SQLite only: on PostgreSQL there were none.
INSERT INTO proof_schedule (secret_guid, image, project_guid, due_at)
SELECT guid, '', project_guid, unixepoch() * 1000000 + abs(random() % 21600000000)
FROM secrets WHERE kind = 'Docker';
