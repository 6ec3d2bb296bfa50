package test

import (
	"context"
	_ "embed" // for finders
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience bounds each thing that a person would wait for on a page.
const patience = 15 * time.Second

// finders is the script that finds things on a page the way a person does, by what is written on them.
//
//go:embed testdata/finders.js
var finders string

// chromium is one browser process for the whole run; each test gets a profile of its own inside it.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := chromiumPath()
	if err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-pings", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.Flag("font-render-hinting", "none"),
		// A page that asks another machine for anything gets no answer, and the test says so.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses to run as root
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	atEnd.add(func() { stopBrowser(); stopAllocator() })
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, nil
})

func chromiumPath() (string, error) {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBrowser
}

var errNoBrowser = errors.New("no browser is installed (Debian: apt install chromium)")

// tab is one browser tab with a profile of its own: nothing of it is shared with other tabs. Its methods do what a
// person does and end the test when that is impossible. When the test ends it is checked that no script failed, that
// nothing offended the content security policy, and that no other machine was asked for anything.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string
}

// look is how a tab shows pages; the zero value is a desktop in daylight.
type look struct {
	width, height int // in CSS pixels; 0 is 1280 × 900
	dark          bool
	noScript      bool
}

func newTab(t *testing.T, l look) *tab {
	t.Helper()
	browser, err := chromium()
	if errors.Is(err, errNoBrowser) && !complete() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return openTab(t, browser, l, chromedp.WithNewBrowserContext())
}

// beside opens one more tab of the same profile: it has the same cookies.
func (b *tab) beside() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx, look{})
}

func openTab(t *testing.T, parent context.Context, l look, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{t: t}
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.watch))...)
	b.ctx = ctx
	t.Cleanup(func() {
		b.saveFailure()
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, trouble := range b.troubles {
			t.Error(trouble)
		}
	})
	b.do(chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Call(ctx, log.Enable, struct{}{})
		return err
	})))
	b.wear(l)
	return b
}

// wear changes how the tab shows pages.
func (b *tab) wear(l look) {
	b.t.Helper()
	if l.width == 0 {
		l.width, l.height = 1280, 900
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.do(chromedp.Do(b.ctx, chromedp.EmulateViewport(int64(l.width), int64(l.height))))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
	b.do(err)
	_, err = chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled,
		emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	b.do(err)
}

// watch notes what no page of ours may cause. It runs in the browser's event loop and must not wait.
func (b *tab) watch(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.trouble("a script failed: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.URL)
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && e.Entry.Source != "network" { // a 422 is an "error" of the network to it
			b.trouble("the browser complains: %s", e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || (u.Scheme == "http" || u.Scheme == "https") && !loopback(u.Hostname()) {
			b.trouble("the page asked another machine: %s", e.Request.URL)
		}
	}
}

func loopback(host string) bool {
	return host == "127.0.0.1" || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func (b *tab) trouble(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = append(b.troubles, fmt.Sprintf(format, args...))
}

// visit goes to an address and gives the status of the page that is shown in the end.
func (b *tab) visit(address string) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.Run(ctx, chromedp.NavigateResponse(address))
	if err != nil {
		b.fatalf("visit %s: %v", address, err)
	}
	return status(response)
}

// press clicks the button or link with these words and waits for the page that it leads to; it gives its status.
func (b *tab) press(words string) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	x, y := b.place("button", words)
	response, err := chromedp.RunResponse(ctx, chromedp.MouseClickXY(x, y))
	if err != nil {
		b.fatalf("press %q: no page came: %v", words, err)
	}
	return status(response)
}

// click clicks the button or link with these words, for those that change the page itself.
func (b *tab) click(words string) {
	b.t.Helper()
	x, y := b.place("button", words)
	b.do(chromedp.Do(b.ctx, chromedp.MouseClickXY(x, y)))
}

// tick clicks the box with this label until it is ticked: a page that says what was wrong moves to that when it has loaded, away from
// under the pointer.
func (b *tab) tick(label string) {
	b.t.Helper()
	text, _ := json.Marshal(label)
	ticked := fmt.Sprintf(`(() => { %s; const box = find('field', %s); return !!box && box.checked; })()`, finders, text)
	err := eventually(patience, func() error {
		if script[bool](b, ticked) {
			return nil
		}
		x, y := b.place("field", label)
		b.do(chromedp.Do(b.ctx, chromedp.MouseClickXY(x, y)))
		return errors.New("a click does not tick it")
	})
	if err != nil {
		b.fatalf("field %q: %v", label, err)
	}
}

// fill replaces what stands in the field with this label, as typing would.
func (b *tab) fill(label, text string) {
	b.t.Helper()
	b.place("field", label)
	find, _ := json.Marshal(label) // a string always has a JSON form
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](
		fmt.Sprintf(`(() => { %s; const field = find('field', %s); field.focus(); field.select && field.select(); })()`, finders, find)))
	b.do(err)
	if text == "" {
		b.do(chromedp.Do(b.ctx, chromedp.KeyEvent("\b")))
		return
	}
	_, err = chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text})
	b.do(err)
}

// send fills fields by their names and sends their form with the Enter key, whatever the page's language; it gives
// the status of the page that follows. The fields are pairs: name, text.
func (b *tab) send(fields ...string) int {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		name, _ := json.Marshal(fields[i])
		found := script[bool](b, fmt.Sprintf(
			`(() => { const f = document.getElementsByName(%s)[0]; if (f) { f.focus(); f.select(); } return !!f; })()`, name))
		if !found {
			b.fatalf("no field is named %s", name)
		}
		_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: fields[i+1]})
		b.do(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter))
	if err != nil {
		b.fatalf("no page came after sending %q: %v", fields, err)
	}
	return status(response)
}

// choose selects the option with these words in the list with this label.
func (b *tab) choose(label, words string) {
	b.t.Helper()
	b.place("field", label)
	field, _ := json.Marshal(label)
	option, _ := json.Marshal(words)
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](
		fmt.Sprintf(`(() => { %s; choose(find('field', %s), %s); })()`, finders, field, option)))
	b.do(err)
}

// place waits for a thing with these words and gives the middle of it, scrolled into view.
func (b *tab) place(kind, words string) (x, y float64) {
	b.t.Helper()
	text, _ := json.Marshal(words)
	script := fmt.Sprintf(`(() => { %s; return place(find('%s', %s)); })()`, finders, kind, text)
	err := eventually(patience, func() error {
		at, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](script))
		if err == nil && len(at) != 2 {
			err = errors.New("it is not on the page, or something lies over it")
		}
		if err == nil {
			x, y = at[0], at[1]
		}
		return err
	})
	if err != nil {
		b.fatalf("%s %q: %v", kind, words, err)
	}
	return x, y
}

// see waits until the page shows these words.
func (b *tab) see(words ...string) {
	b.t.Helper()
	for _, w := range words {
		if err := eventually(patience, func() error { return b.shows(w) }); err != nil {
			b.fatalf("%v", err)
		}
	}
}

// shows tells what keeps the page from showing these words now; nil: it shows them.
func (b *tab) shows(words string) error {
	text, err := b.shown()
	if err == nil && !strings.Contains(text, words) {
		err = fmt.Errorf("the page does not show %q", words)
	}
	return err
}

// seeNot fails when the page shows these words now.
func (b *tab) seeNot(words ...string) {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if strings.Contains(text, w) {
			b.fatalf("the page shows %q", w)
		}
	}
}

// text is what a person can read on the page, in one line.
func (b *tab) text() string {
	b.t.Helper()
	text, err := b.shown()
	b.do(err)
	return text
}

func (b *tab) shown() (string, error) {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return strings.Join(strings.Fields(text), " "), err
}

// script evaluates an expression on the page, also where the page's own scripts are switched off.
func script[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	b.do(err)
	return v
}

// address is where the tab is.
func (b *tab) address() *url.URL {
	b.t.Helper()
	location, err := chromedp.Run(b.ctx, chromedp.Location())
	b.do(err)
	u, err := url.Parse(location)
	b.do(err)
	return u
}

// key presses keys on whatever has the focus, as chromedp/kb names them.
func (b *tab) key(keys string) {
	b.t.Helper()
	b.do(chromedp.Do(b.ctx, chromedp.KeyEvent(keys)))
}

// screenshot draws what the window shows as PNG.
func (b *tab) screenshot() []byte {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	b.do(err)
	return png
}

// saveFailure keeps a picture of the page that a failed test ended on, where REKEY_TEST_PICTURES names a folder.
func (b *tab) saveFailure() {
	dir := os.Getenv("REKEY_TEST_PICTURES")
	if dir == "" || !b.t.Failed() {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture: %v", err)
		return
	}
	name := strings.NewReplacer("/", "-", " ", "_").Replace(b.t.Name()) + ".png"
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), png, 0o644)); err != nil {
		b.t.Logf("no picture: %v", err)
	}
}

func (b *tab) do(err error) {
	b.t.Helper()
	if err != nil {
		b.fatalf("%v", err)
	}
}

// fatalf ends the test and says what the page showed, which is what one wants to know next.
func (b *tab) fatalf(format string, args ...any) {
	b.t.Helper()
	text, _ := b.shown()
	location, _ := chromedp.Run(b.ctx, chromedp.Location())
	b.t.Fatalf("%s\non %s, which shows:\n%s", fmt.Sprintf(format, args...), location, text)
}

func status(r *network.Response) int {
	if r == nil {
		return 0
	}
	return int(r.Status)
}
