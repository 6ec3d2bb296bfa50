-- +goose Up
-- What programs of other people sign with or verify by, sealed by the installation's key (AES-256-GCM): it outlives a change of
-- the key, which it was derived from. NULL where it has not been sealed yet.
-- token: of an integration's version, and of its access token
ALTER TABLE integrations ADD COLUMN sealed_secret BLOB;
ALTER TABLE tokens ADD COLUMN sealed_secret BLOB;
-- webhook
ALTER TABLE webhooks ADD COLUMN sealed_secret BLOB;

-- +goose Down
SELECT 1;
