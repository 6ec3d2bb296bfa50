-- +goose Up
-- token: where an app is told that a customer's sign-in has ended (OpenID Connect Back-Channel Logout); '' for nowhere.
ALTER TABLE oauth2_clients ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';

-- +goose Down
SELECT 1;
