-- +goose Up
-- audit: still append-only, with two doors that no statement opens by accident. A row may be deleted only when it is older than
-- the horizon, which retention moves; and it may only lose its words (whose it was, from where), never gain or change one: who
-- did what, when and to which number stays.
CREATE TABLE audit_horizon (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  keep_from BIGINT NOT NULL
);
INSERT INTO audit_horizon (id, keep_from) VALUES (1, 0);
DROP TRIGGER audit_stays;
DROP TRIGGER audit_keeps;
-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE DELETE ON audit
WHEN OLD.at >= (SELECT keep_from FROM audit_horizon)
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit
WHEN NOT (NEW.id = OLD.id AND NEW.at = OLD.at AND NEW.action = OLD.action AND NEW.actor_kind = OLD.actor_kind
  AND NEW.actor_id IS OLD.actor_id AND NEW.customer_id IS OLD.customer_id AND NEW.website_id IS OLD.website_id
  AND NEW.outcome = OLD.outcome AND NEW.detail = OLD.detail
  AND (NEW.actor_name = OLD.actor_name OR NEW.actor_name = '' AND OLD.actor_kind = 'shopper')
  AND NEW.subject = '' AND NEW.ip = '' AND NEW.place = '' AND NEW.browser = '' AND NEW.address_key IS NULL)
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd

-- token: tokens without an end that were revoked
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at IS NOT NULL AND expires_at IS NULL;
-- customer: what is erased by address
CREATE INDEX registrations_email ON registrations (website_id, email_canon);

-- +goose Down
SELECT 1;
