DELETE FROM deployment_secrets WHERE deployment_guid = ?

DELETE FROM device_logins WHERE device_digest = ?

DELETE FROM device_logins WHERE expires_at <= ?

DELETE FROM members WHERE owner_guid = ?

DELETE FROM members WHERE owner_guid = ? AND user_guid = ?

DELETE FROM mirror_places WHERE mirror_guid = ?

DELETE FROM mirrors WHERE guid = ?

DELETE FROM packages WHERE guid = ?

DELETE FROM projects WHERE guid = ?

DELETE FROM proofs WHERE secret_guid = ?1 AND image = ?2 AND seq <= (SELECT seq FROM proofs WHERE secret_guid = ?1 AND image = ?2  ORDER BY seq DESC LIMIT 1 OFFSET ?3)

DELETE FROM registries WHERE project_guid = ? AND netloc = ?

DELETE FROM secrets WHERE guid = ?

DELETE FROM settings WHERE name = ?

DELETE FROM tokens WHERE digest = ?

DELETE FROM tokens WHERE expires_at <= ?

DELETE FROM tokens WHERE guid = ?

DELETE FROM tokens WHERE user_guid = ?

INSERT INTO audit (project_guid, subject, body, hash) VALUES (?, ?, ?, ?)

INSERT INTO deployment_secrets (deployment_guid, project_guid, secret) VALUES (?, ?, ?)

INSERT INTO deployments (guid, name, project_guid, creator_guid, created_at, updated_at, generation, labels, package_name, package_version, wish, deleted_at, phase, status, due_at) VALUES (:guid, :name, :project_guid, :creator_guid, :created_at, :updated_at, :generation, :labels, :package_name, :package_version, :wish, :deleted_at, :phase, :status, :due_at)

INSERT INTO device_logins (device_digest, user_digest, client_id, peer, created_at, expires_at, interval, polled_at, state, user_guid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

INSERT INTO door_policies (project_guid, body) VALUES (?, ?) ON CONFLICT (project_guid) DO UPDATE SET body = excluded.body

INSERT INTO members (owner_guid, user_guid, roles) VALUES (?, ?, ?) ON CONFLICT (owner_guid, user_guid) DO UPDATE SET roles = excluded.roles

INSERT INTO mirror_places (mirror_guid, namespace, body) VALUES (?, ?, ?)

INSERT INTO mirrors (guid, project_guid, secret_guid, body) VALUES (?, ?, ?, ?) ON CONFLICT (guid) DO UPDATE SET body = excluded.body

INSERT INTO organizations (guid, name, short_guid, creator_guid, created_at) VALUES (?, ?, ?, ?, ?)

INSERT INTO packages (guid, project_guid, name, version, labels, body) VALUES (?, ?, ?, ?, ?, ?)

INSERT INTO projects (guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

INSERT INTO proofs (guid, secret_guid, image, body) VALUES (?, ?, ?, ?)

INSERT INTO registries (project_guid, netloc, body) VALUES (?, ?, ?) ON CONFLICT (project_guid, netloc) DO UPDATE SET body = excluded.body

INSERT INTO secret_versions (secret_guid, version, created_at, creator_guid, sealed) VALUES (?, ?, ?, ?, ?)

INSERT INTO secrets (guid, project_guid, name, version, kind, labels, body, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

INSERT INTO tokens (digest, guid, user_guid, created_at, expires_at, kind, name, ceiling, scopes, project_guid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

INSERT INTO users (guid, email, email_key, first_name, last_name, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)

SELECT body FROM door_policies WHERE project_guid = ?

SELECT body FROM mirror_places WHERE mirror_guid = ? ORDER BY namespace

SELECT body FROM mirrors ORDER BY guid

SELECT body FROM mirrors WHERE guid = ?

SELECT body FROM mirrors WHERE secret_guid = ? ORDER BY guid

SELECT body FROM proofs WHERE secret_guid = ? AND image = ? ORDER BY seq DESC LIMIT ?

SELECT body FROM proofs WHERE secret_guid = ? ORDER BY seq DESC LIMIT ?

SELECT body FROM registries WHERE project_guid = ? AND netloc = ?

SELECT body FROM registries WHERE project_guid = ? ORDER BY netloc

SELECT count(*) FROM device_logins

SELECT count(*) FROM device_logins WHERE peer = ?

SELECT count(*) FROM packages WHERE project_guid = ?

SELECT count(*) FROM secret_versions

SELECT count(*) FROM secrets WHERE project_guid = ?

SELECT count(*) FROM users

SELECT count(DISTINCT deployment_guid) FROM deployment_secrets
WHERE project_guid = ? AND secret IN (SELECT value FROM json_each(?))

SELECT deployment_guid FROM deployment_secrets
WHERE project_guid = ? AND secret IN (SELECT value FROM json_each(?))

SELECT device_digest, user_digest, client_id, peer, created_at, expires_at, interval, polled_at, state, user_guid FROM device_logins WHERE device_digest = ?

SELECT device_digest, user_digest, client_id, peer, created_at, expires_at, interval, polled_at, state, user_guid FROM device_logins WHERE user_digest = ?

SELECT document FROM secrets WHERE project_guid = ? AND guid = ?

SELECT document FROM secrets WHERE project_guid = ? AND name = ?

SELECT guid FROM deployments WHERE deleted_at IS NULL

SELECT guid, email, first_name, last_name, created_at, password_hash FROM users WHERE email_key = ?

SELECT guid, email, first_name, last_name, created_at, password_hash FROM users WHERE guid = ?

SELECT guid, email, first_name, last_name, created_at, roles FROM members JOIN users ON guid = user_guid WHERE owner_guid = ? ORDER BY email_key

SELECT guid, name, short_guid, creator_guid, created_at FROM organizations WHERE guid = ?

SELECT guid, name, short_guid, creator_guid, created_at FROM organizations WHERE name = ? ORDER BY seq

SELECT guid, name, short_guid, creator_guid, created_at, roles FROM organizations JOIN members ON owner_guid = guid WHERE user_guid = ? ORDER BY name, seq

SELECT hash FROM audit ORDER BY seq

SELECT hash FROM audit ORDER BY seq DESC LIMIT 1

SELECT json_extract(status, '$.status'), count(*) FROM deployments WHERE project_guid = ? AND deleted_at IS NULL GROUP BY 1

SELECT min(claimable_at) FROM deployments WHERE claimable_at IS NOT NULL

SELECT roles FROM members WHERE owner_guid = ? AND user_guid = ?

SELECT seq FROM sqlite_sequence WHERE name = 'audit'

SELECT seq, body FROM audit WHERE 1 = 1 AND project_guid = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, body FROM audit WHERE 1 = 1 AND project_guid = ? AND subject = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, body FROM audit WHERE 1 = 1 AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, body FROM audit WHERE 1 = 1 AND subject = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, body FROM packages WHERE project_guid = ? AND EXISTS (SELECT 1 FROM json_each(?) AS word WHERE instr(body, word.value) > 0) ORDER BY seq

SELECT seq, body FROM packages WHERE project_guid = ? AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, body FROM packages WHERE project_guid = ? AND name IN (SELECT value FROM json_each(?)) AND +seq > ? ORDER BY +seq LIMIT ?

SELECT seq, body FROM packages WHERE project_guid = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, body FROM packages WHERE project_guid = ?1 AND guid = ?2 AND (?3 = '' OR version = ?3) ORDER BY +seq DESC LIMIT 1

SELECT seq, body FROM packages WHERE project_guid = ?1 AND name = ?2 AND (?3 = '' OR version = ?3) ORDER BY +seq DESC LIMIT 1

SELECT seq, document FROM secrets WHERE project_guid = ? AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, email, first_name, last_name, created_at FROM users WHERE guid IN (SELECT user_guid FROM members WHERE owner_guid = ?) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features FROM projects WHERE 
(guid IN (SELECT owner_guid FROM members WHERE user_guid = ?)
 OR organization_guid IN (
   SELECT owner_guid FROM members
   WHERE user_guid = ? AND EXISTS (SELECT 1 FROM json_each(roles) AS role WHERE role.value = ?)))
 AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features FROM projects WHERE 
(guid IN (SELECT owner_guid FROM members WHERE user_guid = ?)
 OR organization_guid IN (
   SELECT owner_guid FROM members
   WHERE user_guid = ? AND EXISTS (SELECT 1 FROM json_each(roles) AS role WHERE role.value = ?)))
 AND name IN (SELECT value FROM json_each(?)) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features FROM projects WHERE 
(guid IN (SELECT owner_guid FROM members WHERE user_guid = ?)
 OR organization_guid IN (
   SELECT owner_guid FROM members
   WHERE user_guid = ? AND EXISTS (SELECT 1 FROM json_each(roles) AS role WHERE role.value = ?)))
 AND organization_guid IN (SELECT value FROM json_each(?)) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features FROM projects WHERE 
(guid IN (SELECT owner_guid FROM members WHERE user_guid = ?)
 OR organization_guid IN (
   SELECT owner_guid FROM members
   WHERE user_guid = ? AND EXISTS (SELECT 1 FROM json_each(roles) AS role WHERE role.value = ?)))
 AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features FROM projects WHERE guid = ?

SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features FROM projects WHERE organization_guid = ? AND name = ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE deleted_at IS NULL AND guid IN (
SELECT deployment_guid FROM deployment_secrets
WHERE project_guid = ? AND secret IN (SELECT value FROM json_each(?))
)
ORDER BY seq

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND deleted_at IS NULL AND json_extract(status, '$.status') = ? ORDER BY seq

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND deleted_at IS NULL AND package_name = ? AND package_version = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND deleted_at IS NULL AND package_name = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND deleted_at IS NULL AND package_version = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND deleted_at IS NULL AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND guid = ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND guid = ? AND deleted_at IS NULL

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND guid IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL AND +seq > ? ORDER BY +seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND deleted_at IS NULL AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND phase IN (SELECT value FROM json_each(?)) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND name = ? AND deleted_at IS NULL

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND name IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL AND +seq > ? ORDER BY +seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND name IN (SELECT value FROM json_each(?)) AND guid IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL AND +seq > ? ORDER BY +seq LIMIT ?

SELECT seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status FROM deployments WHERE project_guid = ? AND phase IN (SELECT value FROM json_each(?)) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND guid = ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ?) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND instr(labels, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ? AND label.value = ?) AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND kind = 'Docker' AND (json_extract(body, '$.standing.verdict') = ? OR json_extract(body, '$.shape.expires_at') IS NOT NULL) ORDER BY seq

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND name = ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND name > ? ORDER BY name LIMIT ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND name IN (SELECT value FROM json_each(?)) AND +seq > ? ORDER BY +seq LIMIT ?

SELECT seq, kind, body, document,
       (SELECT sealed FROM secret_versions AS v
        WHERE v.secret_guid = secrets.guid AND v.version = secrets.version)
FROM secrets
 WHERE project_guid = ? AND seq > ? ORDER BY seq LIMIT ?

SELECT seq, project_guid, subject, body, hash FROM audit ORDER BY seq

SELECT t.digest, t.guid, t.user_guid, t.created_at, t.expires_at, t.kind, t.name, t.ceiling, t.scopes, t.project_guid FROM tokens AS t WHERE user_guid = ? ORDER BY t.created_at DESC, t.guid

SELECT t.digest, t.guid, t.user_guid, t.created_at, t.expires_at, t.kind, t.name, t.ceiling, t.scopes, t.project_guid, u.guid, email, first_name, last_name, u.created_at
FROM tokens AS t JOIN users AS u ON u.guid = user_guid WHERE digest = ?

SELECT value FROM settings WHERE name = ?

SELECT version, body FROM secrets WHERE guid = ?

SELECT version, creator_guid, body, sealed FROM secret_versions ORDER BY version

UPDATE audit SET body = body

UPDATE deployments SET
  phase         = CASE WHEN deleted_at IS NULL THEN :phase ELSE phase END,
  status        = CASE WHEN deleted_at IS NULL THEN :status ELSE status END,
  due_at        = CASE WHEN wakes = :wakes THEN :due ELSE due_at END,
  lease_owner   = CASE WHEN :release = 1 THEN NULL ELSE lease_owner END,
  lease_expires = CASE WHEN :release = 1 THEN NULL ELSE :until END
WHERE guid = :guid AND epoch = :epoch AND lease_owner IS NOT NULL

UPDATE deployments SET due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END, wakes = wakes + 1
WHERE (deleted_at IS NULL OR due_at IS NOT NULL) AND guid IN (SELECT value FROM json_each(:guids))

UPDATE deployments SET lease_owner = :owner, lease_expires = :until, epoch = epoch + 1
WHERE seq IN (
  SELECT seq FROM deployments
  WHERE due_at <= :now AND (lease_expires IS NULL OR lease_expires <= :now)
  ORDER BY due_at LIMIT :most
)
RETURNING seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels, deleted_at, status, epoch, wakes, due_at

UPDATE deployments SET updated_at = :updated_at, generation = :generation, labels = :labels, package_name = :package_name, package_version = :package_version, wish = :wish, deleted_at = :deleted_at, due_at = :due_at, phase = :phase, status = :status, wakes = wakes + 1 WHERE guid = :guid

UPDATE deployments SET updated_at = :updated_at, generation = :generation, labels = :labels, package_name = :package_name, package_version = :package_version, wish = :wish, deleted_at = :deleted_at, due_at = :due_at, wakes = wakes + 1 WHERE guid = :guid

UPDATE device_logins SET interval = ?, polled_at = ?, state = ?, user_guid = ? WHERE device_digest = ?

UPDATE projects SET labels = ?, features = ?, updated_at = ? WHERE guid = ?

UPDATE secret_versions SET sealed = ?1 WHERE secret_guid = ?2 AND version = ?3 AND sealed <> ?1

UPDATE secret_versions SET sealed = NULL, body = ? WHERE secret_guid = ? AND version = ?

UPDATE secrets SET version = ?, labels = ?, body = ?, document = ? WHERE guid = ?

UPDATE users SET first_name = ?, last_name = ?, password_hash = ? WHERE guid = ?
