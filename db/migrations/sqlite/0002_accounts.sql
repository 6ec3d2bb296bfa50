-- +goose Up
-- customer: what account pages of storefronts ask for
ALTER TABLE customers ADD COLUMN prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN middlename TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN suffix TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN gender BIGINT NOT NULL DEFAULT 0;
ALTER TABLE customers ADD COLUMN date_of_birth TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN taxvat TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN subscribed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE customers ADD COLUMN group_id BIGINT NOT NULL DEFAULT 1;
ALTER TABLE customers ADD COLUMN custom_attributes TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN default_billing BIGINT;
ALTER TABLE customers ADD COLUMN default_shipping BIGINT;
ALTER TABLE customers ADD COLUMN deleted_at BIGINT;
CREATE TABLE customer_addresses (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id BIGINT NOT NULL REFERENCES customers(id),
  fields TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX customer_addresses_customer ON customer_addresses (customer_id, id);
-- A change of the e-mail address waits here until the new address has answered.
CREATE TABLE email_changes (
  id BLOB PRIMARY KEY CHECK (length(id) = 16),
  customer_id BIGINT NOT NULL REFERENCES customers(id),
  email TEXT NOT NULL,
  email_canon TEXT NOT NULL,
  secret_hash BLOB NOT NULL UNIQUE,
  generation BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX email_changes_customer ON email_changes (customer_id);

-- +goose Down
SELECT 1;
