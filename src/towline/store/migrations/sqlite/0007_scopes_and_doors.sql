-- Tokens with scopes may do what those say and no more, in one project where it is named.
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';       -- blanks between them; domain/scopes.py
ALTER TABLE tokens ADD COLUMN project_guid TEXT NOT NULL DEFAULT '';

-- What a project allows at the doors through which credentials leave.
CREATE TABLE door_policies (
  project_guid TEXT PRIMARY KEY REFERENCES projects (guid) ON DELETE CASCADE,
  body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
