package shop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret/breached"
)

// Snapshot is the stores and settings of one moment. Its own Int, Bool, Text and Duration answer for the default
// scope.
type Snapshot struct {
	version  int64
	websites []*Website
	views    []*View
	byPrefix []*View // views with a base URL, longest path first
	explicit map[entry]string
	breached *breached.List

	devConsole string
	inForce
}

func newSnapshot(version int64, websites []*Website, views []*View, explicit map[entry]string, list *breached.List) (*Snapshot, error) {
	s := &Snapshot{version: version, websites: websites, views: views, explicit: explicit, breached: list}
	if err := s.checkStored(); err != nil {
		return nil, err
	}
	for _, v := range views {
		website, ok := s.Website(v.WebsiteID)
		if !ok {
			return nil, fmt.Errorf("shop: store view %q belongs to website %d, which does not exist", v.Code, v.WebsiteID)
		}
		v.Website, v.breached = website, list
		var err error
		if v.location, err = time.LoadLocation(v.TimeZone); err != nil {
			return nil, fmt.Errorf("shop: store view %q: %w", v.Code, err)
		}
		if v.BaseURL == "" {
			continue
		}
		if v.base, err = parseBaseURL(v.BaseURL); err != nil {
			return nil, fmt.Errorf("shop: store view %q: %w", v.Code, err)
		}
		s.byPrefix = append(s.byPrefix, v)
	}
	slices.SortStableFunc(s.byPrefix, func(a, b *View) int { return cmp.Compare(len(b.base.prefix), len(a.base.prefix)) })
	s.settle()
	return s, nil
}

// checkStored refuses a value that Set would have refused: somebody wrote into the table by hand, and a link time over
// the ceiling must stop the service rather than hold. Unknown paths are left alone; a newer version may own them.
func (s *Snapshot) checkStored() error {
	for e, text := range s.explicit {
		setting, known := Find(e.path)
		if !known {
			continue
		}
		if _, err := setting.parse(text); err != nil {
			// %v and not %w: this is the operator's to mend, not a refusal for whoever asked for a page.
			return fmt.Errorf("shop: a stored value cannot be used: scope %s %d: %v", e.scope.Kind, e.scope.ID, err)
		}
	}
	return nil
}

// settle computes what is in force everywhere, so that asking later is one look into a map.
func (s *Snapshot) settle() {
	s.inForce = s.valuesFor(Scope{Kind: Default})
	for _, w := range s.websites {
		w.inForce = s.valuesFor(Scope{Kind: Websites, ID: w.ID})
	}
	for _, v := range s.views {
		v.inForce = s.valuesFor(Scope{Kind: Stores, ID: v.ID})
	}
}

// Websites lists all websites by id.
func (s *Snapshot) Websites() []*Website { return slices.Clone(s.websites) }

// Views lists all store views by website and position.
func (s *Snapshot) Views() []*View { return slices.Clone(s.views) }

// ViewsOf lists the views of one website; the first is its default.
func (s *Snapshot) ViewsOf(websiteID int64) []*View {
	return slices.DeleteFunc(s.Views(), func(v *View) bool { return v.WebsiteID != websiteID })
}

// Website finds a website by id.
func (s *Snapshot) Website(id int64) (*Website, bool) {
	return find(s.websites, func(w *Website) bool { return w.ID == id })
}

// WebsiteByCode finds a website by its code.
func (s *Snapshot) WebsiteByCode(code string) (*Website, bool) {
	return find(s.websites, func(w *Website) bool { return w.Code == code })
}

// View finds a store view by id.
func (s *Snapshot) View(id int64) (*View, bool) {
	return find(s.views, func(v *View) bool { return v.ID == id })
}

// ViewByCode finds a store view by its code.
func (s *Snapshot) ViewByCode(code string) (*View, bool) {
	return find(s.views, func(v *View) bool { return v.Code == code })
}

func find[T any](all []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	var none T
	return none, false
}

// ViewFor finds the view that an address belongs to, and the path within that view, which begins with a slash. The
// host is what a request says (with or without a port); it only selects among configured base URLs and enters no
// link. Of several views on a host, the one with the longest path prefix wins.
func (s *Snapshot) ViewFor(host, path string) (v *View, rest string, ok bool) {
	for _, v := range s.byPrefix {
		if !v.base.answersTo(host) {
			continue
		}
		rest, ok := strings.CutPrefix(path, v.base.prefix)
		switch {
		case !ok:
		case rest == "":
			return v, "/", true
		case rest[0] == '/': // "/france" is not below "/fr"
			return v, rest, true
		}
	}
	return nil, "", false
}

// ScopeOf turns the words of the command line and of the console into a scope: kind "default" without a code, or
// "websites" or "stores" with one. Errors are fault.Invalid on the field "scope" or "scope_code".
func (s *Snapshot) ScopeOf(kind, code string) (Scope, error) {
	switch kind {
	case "", Default:
		if code != "" {
			return Scope{}, refuse("scope_code", "The default scope has no code. Leave the code out, or choose the scope websites or stores.")
		}
		return Scope{Kind: Default}, nil
	case Websites:
		if w, ok := s.WebsiteByCode(code); ok {
			return Scope{Kind: Websites, ID: w.ID}, nil
		}
		return Scope{}, refuse("scope_code", "There is no website %q. There are: %s.", code, codes(s.websites, func(w *Website) string { return w.Code }))
	case Stores:
		if v, ok := s.ViewByCode(code); ok {
			return Scope{Kind: Stores, ID: v.ID}, nil
		}
		return Scope{}, refuse("scope_code", "There is no store view %q. There are: %s.", code, codes(s.views, func(v *View) string { return v.Code }))
	default:
		return Scope{}, refuse("scope", "There is no scope %q. Choose default, websites or stores.", kind)
	}
}

func codes[T any](all []T, code func(T) string) string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = code(one)
	}
	return strings.Join(names, ", ")
}

// refuse makes a refusal that an administrator reads, who reads English.
func refuse(field, format string, args ...any) *fault.Error {
	text := fmt.Sprintf(format, args...)
	return fault.Refuse(field, "configuration", text, map[string]any{"Reason": text})
}
