-- +goose Up
-- db: folded, a text as searches compare it: neither letter case nor accents count. db.Fold is the same for what is searched for.
-- Letters that Unicode does not take apart stand in both cases: a database with the locale C lowers A to Z only.
CREATE OR REPLACE FUNCTION folded(t TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN octet_length(t) = char_length(t) THEN lower(t COLLATE "C")
    ELSE replace(replace(replace(replace(replace(replace(translate(
      lower(normalize(regexp_replace(normalize(t, NFKD), '[\u0300-\u036F]', '', 'g'), NFKC)),
      'ØøŁłĐđĦħıς', 'oollddhhiσ'), 'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae'), 'œ', 'oe'), 'Œ', 'oe') END
$$;

-- +goose Down
SELECT 1;
