-- +goose Up
-- recovery: the codes of letters, each bound to the browser that asked. A row has the id of the letter that carries the code; the
-- code itself is derived from that id by the installation's key and stands nowhere. customer_id and generation are known once the
-- letter was written: until then, and for nobody's address for ever, a row only counts what is tried.
CREATE TABLE codes (
  id BYTEA PRIMARY KEY CHECK (length(id) = 16),
  purpose TEXT NOT NULL CHECK (purpose IN ('reset', 'signin')),
  browser_hash BYTEA NOT NULL,
  website_id BIGINT NOT NULL,
  address_key BYTEA NOT NULL,
  tries BIGINT NOT NULL DEFAULT 0,
  customer_id BIGINT REFERENCES customers(id),
  generation BIGINT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  spent_at BIGINT,
  ended_at BIGINT
);
CREATE INDEX codes_browser ON codes (browser_hash, id);
CREATE INDEX codes_customer ON codes (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX codes_expires ON codes (expires_at);

-- +goose Down
SELECT 1;
