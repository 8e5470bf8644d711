-- The audit trail's numbers have no gap, and how many there ever were is kept beside it as SQLite does: an
-- identity column would skip the numbers of changes that failed.

CREATE TABLE sqlite_sequence (
  name TEXT PRIMARY KEY,
  seq  BIGINT NOT NULL
);

INSERT INTO sqlite_sequence (name, seq) VALUES ('audit', 0);

ALTER TABLE audit ALTER COLUMN seq DROP IDENTITY;

CREATE FUNCTION audit_is_numbered() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
  IF NEW.seq IS NULL THEN
    UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = ''audit'' RETURNING seq INTO NEW.seq;
  ELSE
    UPDATE sqlite_sequence SET seq = greatest(seq, NEW.seq) WHERE name = ''audit'';
  END IF;
  RETURN NEW;
END';

CREATE TRIGGER audit_is_numbered BEFORE INSERT ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_numbered();

CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
  RAISE EXCEPTION ''audit rows are never changed or deleted'';
END';

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_kept();

CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_is_kept();
