-- +goose Up
-- customer: what a program said about a new customer beyond name and address waits with the registration.
ALTER TABLE registrations ADD COLUMN said TEXT NOT NULL DEFAULT '';

-- +goose Down
SELECT 1;
