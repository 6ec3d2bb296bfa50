-- +goose Up
-- admin: one who is deleted keeps the number that the audit knows them by, and nothing else. A link with an address proves that
-- address: it is the administrator's once the link was used.
ALTER TABLE admins ADD COLUMN deleted_at BIGINT;
ALTER TABLE admin_links ADD COLUMN email TEXT NOT NULL DEFAULT '';

-- +goose Down
SELECT 1;
