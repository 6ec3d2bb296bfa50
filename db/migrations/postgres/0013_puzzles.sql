-- +goose Up
-- puzzle: which website is under attack, since when and for how long still, and what its usual rate is, measured now and then.
CREATE TABLE alarms (
  website_id BIGINT PRIMARY KEY REFERENCES websites(id),
  cause TEXT NOT NULL DEFAULT '',
  since BIGINT,
  until BIGINT,
  usual_resets BIGINT NOT NULL DEFAULT 0,
  usual_accounts BIGINT NOT NULL DEFAULT 0,
  usual_failures BIGINT NOT NULL DEFAULT 0,
  measured_at BIGINT
);
-- puzzle: solutions and waiting tickets that were used, until they would have expired anyway.
CREATE TABLE spent_puzzles (
  id BYTEA PRIMARY KEY CHECK (length(id) = 16),
  expires_at BIGINT NOT NULL
);
CREATE INDEX spent_puzzles_expires ON spent_puzzles (expires_at);
-- audit: how often something happened at a website lately.
CREATE INDEX audit_website ON audit (website_id, action, at) WHERE website_id IS NOT NULL;

-- +goose Down
SELECT 1;
