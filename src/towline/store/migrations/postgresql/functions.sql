-- What the rows use of SQLite and PostgreSQL lacks, under SQLite's names. Bodies are plain SQL, so that the
-- planner writes them into the statement and an index over one is found.

CREATE OR REPLACE FUNCTION instr(body text, part text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT strpos($1, $2)';

-- A path is written $.one.two; objects and arrays come as JSON, all else as text.
CREATE OR REPLACE FUNCTION json_extract(body text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT $1::jsonb #>> string_to_array(substr($2, 3), ''.'')';

CREATE OR REPLACE FUNCTION json_each(body text) RETURNS TABLE (key text, value text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10 AS '
SELECT (number - 1)::text, element
FROM jsonb_array_elements_text(CASE WHEN $1 LIKE ''[%'' THEN $1::jsonb ELSE ''[]'' END)
  WITH ORDINALITY AS listed (element, number)
UNION ALL
SELECT entry.key, entry.value
FROM jsonb_each_text(CASE WHEN $1 LIKE ''{%'' THEN $1::jsonb ELSE ''{}'' END) AS entry';

-- The elements of a list, for `= ANY`.
CREATE OR REPLACE FUNCTION json_list(body text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT ARRAY(SELECT jsonb_array_elements_text($1::jsonb))';

-- Of two numbers, none when one is none.
CREATE OR REPLACE FUNCTION max(one bigint, other bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT CASE WHEN $1 IS NULL OR $2 IS NULL THEN NULL WHEN $1 > $2 THEN $1 ELSE $2 END';
