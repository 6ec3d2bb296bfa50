package test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// axePattern is where scripts/test.sh puts axe-core, the accessibility checker.
const axePattern = "../.cache/axe-*.min.js"

var axeCore = sync.OnceValues(func() (string, error) {
	found, err := filepath.Glob(axePattern)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fs.ErrNotExist
	}
	text, err := os.ReadFile(found[len(found)-1])
	return string(text), err
})

// violation is one thing that axe-core objects to.
type violation struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"` // minor, moderate, serious, critical
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"` // the elements, as HTML
}

func needAxe(t *testing.T) string {
	t.Helper()
	core, err := axeCore()
	if errors.Is(err, fs.ErrNotExist) && !complete() {
		t.Skip("axe-core is not here; make test fetches it")
	}
	if err != nil {
		t.Fatalf("axe-core: %v", err)
	}
	return core
}

// inject brings axe-core into the page that is shown now. It comes in over the browser's debugging line, so the page's own
// security policy stays as it is.
func (b *tab) inject(core string) {
	b.t.Helper()
	script[any](b, core+"; null")
}

// violations runs axe-core, which was injected, on the page as it looks now; all its rules, or the given ones.
func (b *tab) violations(rules ...string) []violation {
	b.t.Helper()
	only, err := json.Marshal(rules)
	if err != nil {
		b.t.Fatal(err)
	}
	return script[[]violation](b, `axe.run(document, Object.assign({ resultTypes: ['violations'] }, `+string(only)+` && { runOnly: `+string(only)+` }))
		.then(r => r.violations.map(v => ({ id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.html) })))`)
}

// accessible fails for everything serious on the page that is shown now.
func (b *tab) accessible(what string, rules ...string) {
	b.t.Helper()
	for _, v := range b.violations(rules...) {
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Errorf("%s: %s (%s, %s) at %q", what, v.Help, v.ID, v.Impact, v.Nodes)
		}
	}
}

// narrow is the width in pixels at which nothing may have to be scrolled sideways (WCAG 1.4.10).
const narrow = 320

// fits fails for a page that is wider than a narrow window.
func (b *tab) fits(what string) {
	b.t.Helper()
	if wide := script[int](b, `document.documentElement.scrollWidth`); wide > narrow {
		b.t.Errorf("%s is %d pixels wide, in a window of %d", what, wide, narrow)
	}
}

// TestPagesAreAccessible lets axe-core look at every page: in the light, in the dark (where nothing but colours differs), and
// at the width of a small phone, where the page must fit as well.
func TestPagesAreAccessible(t *testing.T) {
	core := needAxe(t)
	beside(t)
	for door, scenes := range map[string][]scene{
		"storefront": slices.Concat(allStorefrontScenes(), passkeyScenes),
		"console":    slices.Concat(allConsoleScenes(), passkeyConsoleScenes),
	} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, dbtest.SQLite, quick...) // pages do not know which engine runs
			for _, sc := range scenes {
				t.Run(sc.name, func(t *testing.T) {
					b := newTab(t, look{})
					sc.show(st, b)
					b.inject(core)
					b.accessible("light")
					b.wear(look{dark: true})
					b.accessible("dark", "color-contrast")
					b.wear(look{width: narrow, height: 640})
					b.accessible("phone")
					b.fits("the page")
				})
			}
		})
	}
}

// TestWorksWithoutJavaScript walks the three journeys with scripts switched off.
func TestWorksWithoutJavaScript(t *testing.T) {
	beside(t)
	s := newStore(t, dbtest.SQLite)
	s.customer(shopper, "Camille", "Durand", oldPassword)
	s.administrator()
	plain := look{noScript: true}

	b := newTab(t, plain)
	askForLink(s, b, shopper)
	b.visit(s.post.wait(shopper, 1).link())
	refused(b, "short", "short", http.StatusUnprocessableEntity, "6 characters")
	b.fill("New Password", newPassword)
	b.fill("Confirm New Password", newPassword)
	b.press("Reset Password")
	b.see("You updated your password.")
	s.signIn(b, shopper, newPassword)
	token, _ := s.token(shopper, newPassword)

	console := newTab(t, plain)
	s.console(console)
	s.customerPage(console, shopper)
	console.press("Force Sign-In")
	console.press("OK")
	console.see("1 token")
	if got := s.me(token); got != http.StatusUnauthorized {
		t.Errorf("the token gives %d after Force Sign-In, want 401", got)
	}
	b.press("Sign Out")
	b.see("Sign In")
}

// TestWorksByKeyboardAlone recovers a password without touching the mouse.
func TestWorksByKeyboardAlone(t *testing.T) {
	beside(t)
	s := newStore(t, dbtest.SQLite)
	s.customer(shopper, "Camille", "Durand", oldPassword)
	b := newTab(t, look{})
	b.visit(s.page("login"))
	b.reach("Forgot Your Password?")
	b.enter()
	b.see("Reset My Password")
	b.reach("Email Address")
	b.key(shopper)
	b.reach("Reset My Password")
	b.enter()
	b.see(neutral)

	b.visit(s.post.wait(shopper, 1).link())
	b.reach("New Password")
	b.key("short")
	b.enter()
	b.see("There is a problem")
	if focus := script[string](b, `document.activeElement.getAttribute('role') || ''`); focus != "alert" {
		t.Errorf("after a refusal the focus is on %q, not on the summary", focus)
	}
	b.reach("New Password")
	b.key(newPassword)
	b.reach("Confirm New Password")
	b.key(newPassword)
	b.reach("Reset Password")
	b.enter()
	b.see("You updated your password.")
}

// reach presses Tab until the thing with these words has the focus, and fails when the focus cannot be seen there.
func (b *tab) reach(words string) {
	b.t.Helper()
	const most = 40 // presses; a page of ours has fewer stops
	for range most {
		b.key(kb.Tab)
		if script[string](b, "(() => { "+finders+"; const e = document.activeElement; return labelOf(e) || wordsOn(e); })()") != words {
			continue
		}
		seen := script[bool](b, `(() => { const s = getComputedStyle(document.activeElement);
			return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== 'none'; })()`)
		if !seen {
			b.t.Errorf("the focus cannot be seen on %q", words)
		}
		return
	}
	b.fatalf("%q cannot be reached with the Tab key", words)
}

// enter presses Enter and waits for the page that it leads to.
func (b *tab) enter() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter))
	b.do(err)
}
