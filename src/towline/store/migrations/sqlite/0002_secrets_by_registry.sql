-- Which secrets of a project are for a registry's host: to say which other one could pull an image.
CREATE INDEX secrets_by_registry
  ON secrets (project_guid, json_extract(body, '$.registry.host'))
  WHERE kind = 'Docker';
