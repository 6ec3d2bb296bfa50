package shop

import (
	"context"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/db"
)

// Set stores a value at a scope, in force with the commit. The errors are fault.Invalid with the field "path", "scope",
// "scope_code" or "value", each a plain sentence that tells the way out.
func Set(ctx context.Context, tx *db.Tx, path, value string, scope Scope) error {
	setting, err := settable(ctx, tx, path, scope)
	if err != nil {
		return err
	}
	parsed, err := setting.parse(value)
	if err != nil {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO settings (path, scope, scope_id, value, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (path, scope, scope_id) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at`,
		path, scope.Kind, scope.ID, parsed.text, db.Micro(now))
	if err != nil {
		return err
	}
	return changed(ctx, tx)
}

// Unset takes a value away from a scope: "use default". Nothing happens when none was set there.
func Unset(ctx context.Context, tx *db.Tx, path string, scope Scope) error {
	if _, err := settable(ctx, tx, path, scope); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM settings WHERE path = $1 AND scope = $2 AND scope_id = $3`, path, scope.Kind, scope.ID)
	if err != nil {
		return err
	}
	return changed(ctx, tx)
}

// Named finds the setting of a path that a person typed; its refusal, fault.Invalid on "path", suggests the paths that
// were probably meant.
func Named(path string) (Setting, error) {
	if setting, ok := Find(path); ok {
		return setting, nil
	}
	if near := nearest(path); len(near) > 0 {
		return Setting{}, refuse("path", "There is no setting %q. Did you mean %s?", path, strings.Join(near, " or "))
	}
	return Setting{}, refuse("path", "There is no setting %q. The settings are listed by rekey config show.", path)
}

// settable checks that the path exists, that it can be set at such a scope and that the scope exists.
func settable(ctx context.Context, tx *db.Tx, path string, scope Scope) (Setting, error) {
	setting, err := Named(path)
	if err != nil {
		return Setting{}, err
	}
	if !setting.Scopes.Has(scope.Kind) {
		return Setting{}, refuse("scope", "%s (%s) cannot be set at the scope %s, only at: %s.",
			setting.Label, path, scope.Kind, strings.Join(setting.Scopes.Kinds(), ", "))
	}
	var query string
	switch scope.Kind {
	case Websites:
		query = `SELECT COUNT(*) FROM websites WHERE id = $1`
	case Stores:
		query = `SELECT COUNT(*) FROM store_views WHERE id = $1`
	default:
		if scope.ID != 0 {
			return Setting{}, refuse("scope_code", "The default scope is one for all; it has no website or store view.")
		}
		return setting, nil
	}
	var found int
	if err := tx.Row(ctx, query, scope.ID).Scan(&found); err != nil {
		return Setting{}, err
	}
	if found == 0 {
		return Setting{}, refuse("scope_code", "There is nothing with the number %d in the scope %s.", scope.ID, scope.Kind)
	}
	return setting, nil
}

// nearest lists up to three paths that resemble a mistyped one, most alike first: those with few letters different,
// and those that end in what was typed.
func nearest(typed string) []string {
	typed = strings.ToLower(strings.Trim(strings.TrimSpace(typed), "/"))
	if typed == "" || len(typed) > 200 { // nobody mistypes that much, and comparing grows with the length
		return nil
	}
	type candidate struct {
		path     string
		distance int
	}
	var near []candidate
	for _, setting := range registry {
		distance := editDistance(typed, setting.Path)
		last := setting.Path[strings.LastIndex(setting.Path, "/")+1:]
		distance = min(distance, editDistance(typed[strings.LastIndex(typed, "/")+1:], last)+1)
		if distance <= 2+len(last)/5 {
			near = append(near, candidate{setting.Path, distance})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	var paths []string
	for _, c := range near {
		if len(paths) < 3 && c.distance <= near[0].distance+1 {
			paths = append(paths, c.path)
		}
	}
	return paths
}

// editDistance is the number of letters to insert, delete or replace between two short texts (Levenshtein).
func editDistance(a, b string) int {
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := make([]int, len(b)+1)
		current[0] = i + 1
		for j := range len(b) {
			replace := previous[j]
			if a[i] != b[j] {
				replace++
			}
			current[j+1] = min(replace, previous[j+1]+1, current[j]+1)
		}
		previous = current
	}
	return previous[len(b)]
}
