-- +goose Up
-- signin: customers' passkeys. Only their public half is here. rp_id is the host that one was made under, credential_id what its
-- authenticator calls it, user_handle what the authenticator calls the customer: it tells nothing, and no other customer has it.
CREATE TABLE passkeys (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  customer_id BIGINT NOT NULL REFERENCES customers(id),
  rp_id TEXT NOT NULL,
  credential_id BLOB NOT NULL,
  user_handle BLOB NOT NULL,
  public_key BLOB NOT NULL,
  sign_count BIGINT NOT NULL,
  synced BOOLEAN NOT NULL,
  transports TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,
  UNIQUE (rp_id, credential_id)
);
CREATE INDEX passkeys_customer ON passkeys (customer_id, id);
-- Challenges that were answered, until they would have expired: none is answered twice.
CREATE TABLE passkey_challenges (
  challenge_hash BLOB PRIMARY KEY,
  expires_at BIGINT NOT NULL
);
CREATE INDEX passkey_challenges_expires ON passkey_challenges (expires_at);
-- When it was last shown in a session who sits there.
ALTER TABLE sessions ADD COLUMN password_proven_at BIGINT;
ALTER TABLE sessions ADD COLUMN passkey_proven_at BIGINT;

-- admin: administrators' passkeys, a second factor beside the codes of an app.
CREATE TABLE admin_passkeys (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  admin_id BIGINT NOT NULL REFERENCES admins(id),
  rp_id TEXT NOT NULL,
  credential_id BLOB NOT NULL,
  user_handle BLOB NOT NULL,
  public_key BLOB NOT NULL,
  sign_count BIGINT NOT NULL,
  synced BOOLEAN NOT NULL,
  transports TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  last_used_at BIGINT,
  UNIQUE (rp_id, credential_id)
);
CREATE INDEX admin_passkeys_admin ON admin_passkeys (admin_id, id);
-- How many there are, and the challenge that a new one waits for.
ALTER TABLE admins ADD COLUMN passkeys BIGINT NOT NULL DEFAULT 0;
ALTER TABLE admins ADD COLUMN passkey_pending BLOB;
ALTER TABLE admins ADD COLUMN passkey_pending_until BIGINT;

-- +goose Down
SELECT 1;
