-- +goose Up
-- recovery: the link "It wasn't me" of a letter, whose id it has. sent_to is the key of the address that the letter went to; outcome
-- says what was done, once the link has been used.
CREATE TABLE objections (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BLOB NOT NULL UNIQUE,
  letter TEXT NOT NULL,
  customer_id BIGINT NOT NULL REFERENCES customers(id),
  website_id BIGINT NOT NULL,
  sent_to BLOB NOT NULL,
  generation BIGINT NOT NULL,
  about_at BIGINT NOT NULL,
  change_id BLOB,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  objected_at BIGINT,
  outcome TEXT NOT NULL DEFAULT ''
);
CREATE INDEX objections_customer ON objections (customer_id, objected_at);
CREATE INDEX objections_expires ON objections (expires_at);

-- customer: until when no letter is written that a visitor asked for: with a link to a new password, or to a new address.
ALTER TABLE customers ADD COLUMN resets_held_until BIGINT;
ALTER TABLE customers ADD COLUMN changes_held_until BIGINT;

-- +goose Down
SELECT 1;
