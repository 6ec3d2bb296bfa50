-- +goose Up
-- customer: the same facts as before, with the website's cuts as scalars. SQLite reads a view that is itself a join in full, every
-- customer of it, when it stands on the right of an outer join; a view of one table it looks up by the key.
DROP VIEW token_holders;
DROP VIEW customer_standing;
CREATE VIEW customer_standing AS
  SELECT c.id, c.website_id, c.active, c.session_generation, c.token_generation, c.link_generation,
    CAST(COALESCE((SELECT k.sessions FROM cutoffs k WHERE k.website_id = c.website_id), 0) AS BIGINT) AS sessions_cut,
    CAST(COALESCE((SELECT k.tokens FROM cutoffs k WHERE k.website_id = c.website_id), 0) AS BIGINT) AS tokens_cut,
    CAST(COALESCE((SELECT k.links FROM cutoffs k WHERE k.website_id = c.website_id), 0) AS BIGINT) AS links_cut
  FROM customers c;
CREATE VIEW token_holders AS
  SELECT t.customer_id, t.id AS token_id, t.expires_at, t.client_id
  FROM tokens t JOIN customer_standing s ON s.id = t.customer_id AND s.token_generation = t.generation AND s.active
    AND t.created_at > s.tokens_cut
  WHERE t.revoked_at IS NULL;

-- admin: sessions of one administrator are looked for at each sign-in
CREATE INDEX admin_sessions_admin ON admin_sessions (admin_id);

-- +goose Down
SELECT 1;
