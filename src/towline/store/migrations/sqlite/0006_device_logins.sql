-- Programs that wait for a person to sign them in (RFC 8628). Both codes are kept as their SHA-256.
CREATE TABLE device_logins (
  device_digest BLOB PRIMARY KEY,
  user_digest   BLOB NOT NULL UNIQUE,
  client_id     TEXT NOT NULL,
  peer          TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  interval      INTEGER NOT NULL,
  polled_at     INTEGER,
  state         TEXT NOT NULL,
  user_guid     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX device_logins_by_expiry ON device_logins (expires_at);
