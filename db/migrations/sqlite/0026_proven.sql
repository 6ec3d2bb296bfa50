-- +goose Up
-- customer: when the address was shown to be the customer's, by a link or a code that was mailed to it; NULL: nobody has shown it.
-- confirmed_at says since when the customer may sign in, which is another fact. Of those who are there already the ones are proven of
-- whom a row tells that a link or a code was used; of the others nobody can tell (docs/decisions/0026-proven-addresses.md).
ALTER TABLE customers ADD COLUMN email_proven_at BIGINT;
UPDATE customers SET email_proven_at = p.at FROM (
  SELECT customer_id, MAX(at) AS at FROM (
    SELECT customer_id, at FROM audit WHERE action IN ('password_reset.completed', 'signin.by_letter') AND outcome = ''
    UNION ALL
    SELECT customer_id, at FROM audit WHERE action = 'customer.updated' AND outcome = '' AND detail = '{"changed":"email"}'
    UNION ALL
    SELECT customer_id, spent_at FROM links WHERE spent_at IS NOT NULL
    UNION ALL
    SELECT customer_id, spent_at FROM codes WHERE spent_at IS NOT NULL
    UNION ALL
    SELECT c.id, r.used_at FROM registrations r JOIN customers c ON c.website_id = r.website_id AND c.email_canon = r.email_canon
      WHERE r.used_at >= c.created_at
  ) AS proofs GROUP BY customer_id) AS p
  WHERE p.customer_id = customers.id AND confirmed_at IS NOT NULL;

-- +goose Down
SELECT 1;
