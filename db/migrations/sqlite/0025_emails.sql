-- +goose Up
-- mail: what the list of emails is searched by, newest first. A recipient is found by its beginning, in ASCII lower case.
CREATE INDEX letters_recipient ON letters (lower(recipient));
CREATE INDEX letters_created ON letters (lane, created_at, id);
CREATE INDEX letters_state ON letters (lane, state, created_at, id);
CREATE INDEX letters_website ON letters (lane, website_id, created_at, id);

-- +goose Down
SELECT 1;
