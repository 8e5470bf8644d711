-- Which deployments ended long enough ago to be forgotten.
CREATE INDEX deployments_ended ON deployments (deleted_at) WHERE deleted_at IS NOT NULL;
