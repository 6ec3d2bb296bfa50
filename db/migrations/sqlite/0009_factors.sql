-- +goose Up
-- admin: the second factor. A secret rests sealed by the installation's key (AES-256-GCM); totp_step is the last 30-second
-- step that was used, so that no code counts twice.
ALTER TABLE admins ADD COLUMN totp BLOB;
ALTER TABLE admins ADD COLUMN totp_pending BLOB;
ALTER TABLE admins ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
-- Recovery codes, each for one sign-in without the second factor at hand.
CREATE TABLE admin_codes (
  admin_id BIGINT NOT NULL REFERENCES admins(id),
  code_hash BLOB NOT NULL,
  used_at BIGINT,
  PRIMARY KEY (admin_id, code_hash)
);
-- A session that waits for the second factor opens nothing.
ALTER TABLE admin_sessions ADD COLUMN half BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
SELECT 1;
