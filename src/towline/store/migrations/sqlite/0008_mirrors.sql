-- Docker pull secrets that are kept in namespaces of a cluster. A row outlives its secret and project until
-- the cluster holds nothing of it any more, so it refers to neither.
CREATE TABLE mirrors (
  guid         TEXT PRIMARY KEY,
  project_guid TEXT NOT NULL,
  secret_guid  TEXT NOT NULL,
  body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mirrors_of_secret ON mirrors (secret_guid, guid);

-- How each fares, by namespace.
CREATE TABLE mirror_places (
  mirror_guid TEXT NOT NULL REFERENCES mirrors (guid) ON DELETE CASCADE,
  namespace   TEXT NOT NULL,
  body        TEXT NOT NULL,
  PRIMARY KEY (mirror_guid, namespace)
) STRICT, WITHOUT ROWID;
