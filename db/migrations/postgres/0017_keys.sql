-- +goose Up
-- What programs of other people sign with or verify by, sealed by the installation's key (AES-256-GCM): it outlives a change of
-- the key, which it was derived from. NULL where it has not been sealed yet.
-- token: of an integration's version, and of its access token
ALTER TABLE integrations ADD COLUMN sealed_secret BYTEA;
ALTER TABLE tokens ADD COLUMN sealed_secret BYTEA;
-- webhook
ALTER TABLE webhooks ADD COLUMN sealed_secret BYTEA;

-- +goose Down
SELECT 1;
