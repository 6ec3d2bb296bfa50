-- +goose Up
-- mail: one queue, several lanes; each lane has workers of its own, so that none waits for another's mail server
ALTER TABLE letters ADD COLUMN lane TEXT NOT NULL DEFAULT '';
DROP INDEX letters_due;
CREATE INDEX letters_due ON letters (lane, next_at) WHERE settled_at IS NULL;
-- How a queued thing does. Published: whoever queued it lists it beside what only the owner of it knows.
CREATE VIEW letter_standing AS
  SELECT id, state, attempts, next_at, settled_at, last_words FROM letters;

-- webhook
CREATE TABLE webhooks (
  id BYTEA PRIMARY KEY CHECK (length(id) = 16),
  url TEXT NOT NULL,
  website_id BIGINT REFERENCES websites(id),
  types TEXT NOT NULL,
  active BOOLEAN NOT NULL DEFAULT TRUE,
  created_at BIGINT NOT NULL
);
-- Who wants to hear of what is recorded. Published: without anybody, audit keeps no news.
CREATE VIEW webhook_listeners AS SELECT id FROM webhooks WHERE active;
-- One event for one webhook; its id is the letter's. A replay is a row of its own with the same event.
CREATE TABLE deliveries (
  id BYTEA PRIMARY KEY CHECK (length(id) = 16),
  webhook_id BYTEA NOT NULL REFERENCES webhooks(id),
  event_id BYTEA NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  replay BOOLEAN NOT NULL DEFAULT FALSE,
  created_at BIGINT NOT NULL
);
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, id);

-- audit: entries that webhooks have not been told of yet
CREATE TABLE audit_news (
  id BYTEA PRIMARY KEY REFERENCES audit(id)
);

-- +goose Down
SELECT 1;
