-- +goose Up
-- token: the apps that customers may connect by OAuth 2.1 and OpenID Connect. An app without a secret is a public one.
CREATE TABLE oauth2_clients (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  client_id TEXT NOT NULL UNIQUE,
  website_id BIGINT NOT NULL REFERENCES websites(id),
  name TEXT NOT NULL,
  secret_hash BLOB,
  redirect_uris TEXT NOT NULL,
  logout_uris TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL
);
CREATE INDEX oauth2_clients_website ON oauth2_clients (website_id, id);
CREATE INDEX tokens_client ON tokens (client_id) WHERE client_id IS NOT NULL;

-- +goose Down
SELECT 1;
