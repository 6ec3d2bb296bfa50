-- +goose Up
-- Times are BIGINT unix microseconds; ids of links, sessions, tokens and letters are 16-byte UUIDv7 made in Go.
-- One table has one owner (the package named in the comment above it); views are what owners publish to others.

-- shop
CREATE TABLE websites (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE store_views (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  website_id BIGINT NOT NULL REFERENCES websites(id),
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  locale TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  base_url TEXT NOT NULL DEFAULT '',
  accent TEXT NOT NULL,
  logo_text TEXT NOT NULL DEFAULT '',
  sender_name TEXT NOT NULL DEFAULT '',
  sender_email TEXT NOT NULL DEFAULT '',
  support_email TEXT NOT NULL DEFAULT '',
  support_phone TEXT NOT NULL DEFAULT '',
  position BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX store_views_base_url ON store_views (base_url) WHERE base_url <> '';
CREATE TABLE settings (
  path TEXT NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('default', 'websites', 'stores')),
  scope_id BIGINT NOT NULL,
  value TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (path, scope, scope_id)
);
-- One row: raised with every change of the three tables above, so that every node notices.
CREATE TABLE shop_version (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  version BIGINT NOT NULL
);
INSERT INTO shop_version (id, version) VALUES (1, 1);
INSERT INTO websites (id, code, name, created_at) VALUES (1, 'base', 'Main Website', CAST(strftime('%s','now') AS INTEGER) * 1000000);
INSERT INTO store_views (id, website_id, code, name, locale, time_zone, accent, created_at)
  VALUES (1, 1, 'default', 'Default Store View', 'en_US', 'UTC', '#2b6cb0', CAST(strftime('%s','now') AS INTEGER) * 1000000);

-- limit
CREATE TABLE limits (
  key BLOB PRIMARY KEY,
  hits BLOB NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX limits_expires ON limits (expires_at);
CREATE TABLE lockouts (
  key BLOB PRIMARY KEY,
  failures BIGINT NOT NULL,
  locked_until BIGINT,
  last_at BIGINT NOT NULL
);

-- audit: append-only
CREATE TABLE audit (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  at BIGINT NOT NULL,
  action TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id BIGINT,
  actor_name TEXT NOT NULL DEFAULT '',
  customer_id BIGINT,
  address_key BLOB,
  subject TEXT NOT NULL DEFAULT '',
  website_id BIGINT,
  ip TEXT NOT NULL DEFAULT '',
  place TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX audit_customer ON audit (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX audit_address ON audit (address_key, id) WHERE address_key IS NOT NULL;
CREATE INDEX audit_action ON audit (action, id);
-- +goose StatementBegin
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- mail
CREATE TABLE letters (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  kind TEXT NOT NULL,
  website_id BIGINT NOT NULL,
  store_view_id BIGINT NOT NULL,
  customer_id BIGINT,
  address_key BLOB,
  recipient TEXT NOT NULL DEFAULT '',
  data TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  next_at BIGINT NOT NULL,
  lease_until BIGINT,
  lease BLOB,
  expires_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  settled_at BIGINT,
  last_words TEXT NOT NULL DEFAULT ''
);
CREATE INDEX letters_due ON letters (next_at) WHERE settled_at IS NULL;
CREATE INDEX letters_customer ON letters (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX letters_address ON letters (address_key, id) WHERE address_key IS NOT NULL;
CREATE TABLE letter_events (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  letter_id BLOB NOT NULL REFERENCES letters(id),
  at BIGINT NOT NULL,
  state TEXT NOT NULL,
  words TEXT NOT NULL DEFAULT '',
  server TEXT NOT NULL DEFAULT ''
);
CREATE INDEX letter_events_letter ON letter_events (letter_id, id);

-- customer
CREATE TABLE customers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  website_id BIGINT NOT NULL REFERENCES websites(id),
  store_view_id BIGINT NOT NULL REFERENCES store_views(id),
  email TEXT NOT NULL,
  email_canon TEXT NOT NULL,
  firstname TEXT NOT NULL,
  lastname TEXT NOT NULL,
  search TEXT NOT NULL,
  password_hash TEXT,
  password_changed_at BIGINT,
  active BOOLEAN NOT NULL DEFAULT TRUE,
  confirmed_at BIGINT,
  session_generation BIGINT NOT NULL DEFAULT 1,
  token_generation BIGINT NOT NULL DEFAULT 1,
  link_generation BIGINT NOT NULL DEFAULT 1,
  locked_until BIGINT,
  last_sign_in_at BIGINT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  UNIQUE (website_id, email_canon)
);
CREATE INDEX customers_created ON customers (created_at, id);
CREATE INDEX customers_last_sign_in ON customers (last_sign_in_at, id);
CREATE INDEX customers_name ON customers (lastname, firstname, id);
CREATE INDEX customers_email ON customers (email_canon, id);
-- What a session, a token or a link must agree with to be alive. Published: whoever checks joins it, in one read.
CREATE VIEW customer_standing AS
  SELECT id, website_id, active, session_generation, token_generation, link_generation FROM customers;
CREATE TABLE registrations (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  website_id BIGINT NOT NULL,
  store_view_id BIGINT NOT NULL,
  email TEXT NOT NULL,
  email_canon TEXT NOT NULL,
  firstname TEXT NOT NULL,
  lastname TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  secret_hash BLOB NOT NULL UNIQUE,
  browser_hash BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX registrations_expires ON registrations (expires_at);

-- admin
CREATE TABLE admins (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  username TEXT NOT NULL,
  username_canon TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL,
  name TEXT NOT NULL DEFAULT '',
  role TEXT NOT NULL,
  website_id BIGINT REFERENCES websites(id),
  password_hash TEXT NOT NULL,
  active BOOLEAN NOT NULL DEFAULT TRUE,
  session_generation BIGINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL,
  last_sign_in_at BIGINT
);
CREATE TABLE admin_sessions (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BLOB NOT NULL UNIQUE,
  admin_id BIGINT NOT NULL REFERENCES admins(id),
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  place TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT ''
);

-- What an administrator's session or token must agree with to be alive.
CREATE VIEW admin_standing AS SELECT id, active, session_generation FROM admins;

-- signin
CREATE TABLE sessions (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BLOB NOT NULL UNIQUE,
  customer_id BIGINT NOT NULL REFERENCES customers(id),
  store_view_id BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  place TEXT NOT NULL DEFAULT '',
  browser TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sessions_customer ON sessions (customer_id, id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- token
CREATE TABLE integrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL
);
CREATE TABLE tokens (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  customer_id BIGINT REFERENCES customers(id),
  admin_id BIGINT REFERENCES admins(id),
  integration_id BIGINT REFERENCES integrations(id),
  client_id BIGINT,
  family BLOB,
  scope TEXT NOT NULL DEFAULT '',
  data TEXT NOT NULL DEFAULT '',
  holder TEXT NOT NULL DEFAULT '',
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  last_used_at BIGINT,
  revoked_at BIGINT,
  place TEXT NOT NULL DEFAULT ''
);
CREATE INDEX tokens_customer ON tokens (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX tokens_family ON tokens (family) WHERE family IS NOT NULL;
CREATE INDEX tokens_expires ON tokens (expires_at) WHERE expires_at IS NOT NULL;
-- Who holds tokens that still agree with the customer's generation. Published for lists; expiry is the reader's to judge.
CREATE VIEW token_holders AS
  SELECT t.customer_id, t.id AS token_id, t.expires_at
  FROM tokens t JOIN customer_standing s ON s.id = t.customer_id AND s.token_generation = t.generation AND s.active
  WHERE t.revoked_at IS NULL;

-- recovery
CREATE TABLE links (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BLOB NOT NULL UNIQUE,
  customer_id BIGINT NOT NULL REFERENCES customers(id),
  website_id BIGINT NOT NULL,
  store_view_id BIGINT NOT NULL,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  opened_at BIGINT,
  spent_at BIGINT,
  ended_at BIGINT
);
CREATE INDEX links_customer ON links (customer_id, id);
CREATE INDEX links_expires ON links (expires_at);

-- app: what the installation remembers about itself (the key's fingerprint)
CREATE TABLE installation (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
);

-- +goose Down
-- Forward only: a schema is expanded, never taken back under a running version.
SELECT 1;
