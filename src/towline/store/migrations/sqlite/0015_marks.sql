-- What all servers count together: tries that failed, and messages that may be heard once.

CREATE TABLE marks (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT NOT NULL,             -- what is counted
  key        TEXT NOT NULL,             -- for whom: a digest where people may have typed it
  at         INTEGER NOT NULL,
  expires_at INTEGER NOT NULL           -- from then on it counts no more, and is deleted
) STRICT;

CREATE INDEX marks_by_key ON marks (kind, key, at);
CREATE INDEX marks_by_end ON marks (expires_at);
