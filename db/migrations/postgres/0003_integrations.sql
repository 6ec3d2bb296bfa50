-- +goose Up
-- token: integrations that sign their calls by OAuth 1.0a. Their secrets are made from the installation's key, the id and
-- the version; no table holds one.
ALTER TABLE integrations ADD COLUMN callback_url TEXT NOT NULL DEFAULT '';
ALTER TABLE integrations ADD COLUMN identity_url TEXT NOT NULL DEFAULT '';
ALTER TABLE integrations ADD COLUMN rights TEXT NOT NULL DEFAULT '';
ALTER TABLE integrations ADD COLUMN active BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE integrations ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE integrations ADD COLUMN consumer_key TEXT NOT NULL DEFAULT '';
ALTER TABLE integrations ADD COLUMN last_used_at BIGINT;
CREATE UNIQUE INDEX integrations_consumer_key ON integrations (consumer_key) WHERE consumer_key <> '';
CREATE INDEX tokens_integration ON tokens (integration_id) WHERE integration_id IS NOT NULL;
-- An activation under way: at most one of each integration.
CREATE TABLE oauth1_handshakes (
  integration_id BIGINT PRIMARY KEY REFERENCES integrations(id),
  id BYTEA NOT NULL CHECK (length(id) = 16),
  verifier_hash BYTEA NOT NULL,
  request_hash BYTEA,
  expires_at BIGINT NOT NULL
);
-- The nonces of signed calls, for as long as their timestamps are accepted. at is the timestamp as signed, in seconds.
CREATE TABLE oauth1_nonces (
  integration_id BIGINT NOT NULL,
  at BIGINT NOT NULL,
  nonce TEXT NOT NULL,
  PRIMARY KEY (integration_id, at, nonce)
);
CREATE INDEX oauth1_nonces_at ON oauth1_nonces (at);

-- +goose Down
SELECT 1;
