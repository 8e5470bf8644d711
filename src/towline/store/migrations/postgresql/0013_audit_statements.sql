-- Rows may go once a statement stands in their place.
CREATE OR REPLACE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS '
BEGIN
  IF TG_OP = ''DELETE'' THEN
    IF OLD.seq <= (SELECT coalesce(max(seq), 0) FROM audit_statements WHERE kind = ''pruned'') THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION ''audit rows are never changed or deleted'';
END';
