-- +goose Up
-- admin: the links of letters with which administrators choose a new password. The id is the letter's; the secret is derived
-- from it and rests nowhere. generation is the administrator's session_generation, so that whatever ends their sessions
-- ends their links.
CREATE TABLE admin_links (
  id BYTEA PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BYTEA NOT NULL UNIQUE,
  admin_id BIGINT NOT NULL REFERENCES admins(id),
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  spent_at BIGINT
);
CREATE INDEX admin_links_admin ON admin_links (admin_id, id);
CREATE INDEX admin_links_expires ON admin_links (expires_at);

-- incident: since when, and from which count, its pace is measured: from the beginning of a phase, or since a node took it up.
ALTER TABLE incidents ADD COLUMN paced_at BIGINT;
ALTER TABLE incidents ADD COLUMN paced_from BIGINT NOT NULL DEFAULT 0;

-- +goose Down
SELECT 1;
