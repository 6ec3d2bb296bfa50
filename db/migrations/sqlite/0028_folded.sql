-- +goose Up
-- db: folded, a text as searches compare it: neither letter case nor accents count. db.Fold is the same for what is searched for.
-- Here the program brings the function along.
SELECT 1;

-- +goose Down
SELECT 1;
