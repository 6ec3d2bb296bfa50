package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const samplePage = `<!doctype html><html lang="en"><title>Sample</title>
<style>body { color: rgb(1, 1, 1) } @media (prefers-color-scheme: dark) { body { color: rgb(250, 250, 250) } }</style>
<h1>Sample</h1>
<form method="post" action="/answer">
<label for="a">Password</label> <input id="a" name="a" value="old">
<label for="b">Password again</label> <input id="b" name="b">
<label>Colour <select name="c"><option value="1">Red</option><option value="2">Dark blue</option></select></label>
<label><input type="checkbox" name="d"> Remember</label>
<button>Send it</button></form>
<p hidden>Nobody sees this</p><p id="js">without script</p>
<dialog id="d"><p>Really?</p><button onclick="document.getElementById('d').close()">Send it</button></dialog>
<button onclick="document.getElementById('d').showModal()">Ask</button>
<script>document.getElementById('js').textContent = 'with script'</script>`

func samples(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, samplePage) })
	mux.HandleFunc("POST /answer", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, "a=%s b=%s c=%s d=%s", r.FormValue("a"), r.FormValue("b"), r.FormValue("c"), r.FormValue("d"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheBrowserDoesWhatAPersonDoes(t *testing.T) {
	beside(t)
	b := newTab(t, look{})
	if got := b.visit(samples(t)); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	b.see("Sample", "with script")
	b.seeNot("Nobody sees this")
	b.click("Ask")
	b.see("Really?")
	b.click("Send it") // the dialog's, as it lies over the other one
	b.fill("Password again", "second")
	b.fill("Password", "first & more")
	b.choose("Colour", "Dark blue")
	b.tick("Remember")
	if got := b.press("Send it"); got != http.StatusUnprocessableEntity {
		t.Errorf("status %d", got)
	}
	b.see("a=first & more b=second c=2 d=on")
	if got := b.address().Path; got != "/answer" {
		t.Errorf("the tab is at %s", got)
	}
}

func TestTheBrowserWearsOtherLooks(t *testing.T) {
	beside(t)
	b := newTab(t, look{width: 320, height: 640, dark: true, noScript: true})
	b.visit(samples(t))
	b.see("without script")
	if got := script[string](b, `getComputedStyle(document.body).color`); got != "rgb(250, 250, 250)" {
		t.Errorf("in the dark the text is %s", got)
	}
	if got := script[int](b, `window.innerWidth`); got != 320 {
		t.Errorf("the window is %d wide", got)
	}
	if png := b.screenshot(); !strings.HasPrefix(string(png), "\x89PNG") {
		t.Error("the screenshot is no PNG")
	}
}
