-- +goose Up
-- mail: what a person waits for goes first, and websites take turns
ALTER TABLE letters ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
-- Why the mail server takes no email of this kind at the moment, for one that waits for that; '' for every other.
ALTER TABLE letters ADD COLUMN cause TEXT NOT NULL DEFAULT '';
DROP INDEX letters_due;
CREATE INDEX letters_turn ON letters (lane, priority, website_id, next_at) WHERE settled_at IS NULL;
CREATE INDEX letters_refused ON letters (website_id, next_at) WHERE settled_at IS NULL AND cause <> '';
CREATE INDEX letters_expiring ON letters (expires_at) WHERE data <> '';
-- What a mail server does not take: from one website, or, with website -1, from anybody. Until next_at nobody asks it again.
CREATE TABLE mail_refusals (
  server TEXT NOT NULL,
  website_id BIGINT NOT NULL,
  reason TEXT NOT NULL,
  words TEXT NOT NULL,
  since BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  PRIMARY KEY (server, website_id)
);

-- +goose Down
SELECT 1;
