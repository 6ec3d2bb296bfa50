-- +goose Up
-- customer: what breach day needs to know and to say. password_void keeps the hash of a password that signs nobody in any
-- more, so that it is not chosen again; last_sign_in_from is the client's address as 16 bytes (IPv4 mapped), for ranges.
ALTER TABLE customers ADD COLUMN password_void BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE customers ADD COLUMN last_sign_in_from BLOB;
-- What was issued to anybody of a website up to these moments is dead: one write, however many there are.
CREATE TABLE cutoffs (
  website_id BIGINT PRIMARY KEY REFERENCES websites(id),
  sessions BIGINT NOT NULL DEFAULT 0,
  tokens BIGINT NOT NULL DEFAULT 0,
  links BIGINT NOT NULL DEFAULT 0
);
DROP VIEW token_holders;
DROP VIEW customer_standing;
CREATE VIEW customer_standing AS
  SELECT c.id, c.website_id, c.active, c.session_generation, c.token_generation, c.link_generation,
    CAST(COALESCE(k.sessions, 0) AS BIGINT) AS sessions_cut, CAST(COALESCE(k.tokens, 0) AS BIGINT) AS tokens_cut,
    CAST(COALESCE(k.links, 0) AS BIGINT) AS links_cut
  FROM customers c LEFT JOIN cutoffs k ON k.website_id = c.website_id;
CREATE VIEW token_holders AS
  SELECT t.customer_id, t.id AS token_id, t.expires_at, t.client_id
  FROM tokens t JOIN customer_standing s ON s.id = t.customer_id AND s.token_generation = t.generation AND s.active
    AND t.created_at > s.tokens_cut
  WHERE t.revoked_at IS NULL;

-- incident
CREATE TABLE incidents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  choice TEXT NOT NULL,
  measures TEXT NOT NULL,
  state TEXT NOT NULL,
  phase TEXT NOT NULL,
  made_by TEXT NOT NULL,
  chosen BIGINT NOT NULL DEFAULT 0,
  treated BIGINT NOT NULL DEFAULT 0,
  written BIGINT NOT NULL DEFAULT 0,
  sessions BIGINT NOT NULL DEFAULT 0,
  tokens BIGINT NOT NULL DEFAULT 0,
  passwords BIGINT NOT NULL DEFAULT 0,
  reached BIGINT NOT NULL DEFAULT 0,
  ceiling BIGINT NOT NULL DEFAULT 0,
  next_letter_at BIGINT,
  lease BLOB,
  lease_until BIGINT,
  last_words TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT
);
CREATE INDEX incidents_open ON incidents (state) WHERE ended_at IS NULL;
-- Whom an incident is about, and what was done: one row a customer.
CREATE TABLE incident_customers (
  incident_id BIGINT NOT NULL REFERENCES incidents(id),
  customer_id BIGINT NOT NULL,
  treated_at BIGINT,
  sessions BIGINT NOT NULL DEFAULT 0,
  tokens BIGINT NOT NULL DEFAULT 0,
  password BOOLEAN NOT NULL DEFAULT FALSE,
  letter BLOB,
  words TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (incident_id, customer_id)
);
-- The list of addresses of an incident, in canonical form, while it is open.
CREATE TABLE incident_addresses (
  incident_id BIGINT NOT NULL REFERENCES incidents(id),
  email_canon TEXT NOT NULL,
  PRIMARY KEY (incident_id, email_canon)
);

-- +goose Down
SELECT 1;
