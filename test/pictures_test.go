package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db/dbtest"
)

// looks are the ways in which every page is drawn.
var looks = []struct {
	name string
	look look
}{
	{"desktop-light", look{width: 1280, height: 800}},
	{"desktop-dark", look{width: 1280, height: 800, dark: true}},
	{"phone-light", look{width: 390, height: 844}},
	{"phone-dark", look{width: 390, height: 844, dark: true}},
}

// TestDrawEveryPage draws every page and letter of the demo into the folder that REKEY_SCREENSHOTS names, and an
// index.html beside them. It checks nothing: it is for looking at (make screenshots). A pattern draws some of them only,
// such as -run TestDrawEveryPage/console/webhook.
func TestDrawEveryPage(t *testing.T) {
	dir := os.Getenv("REKEY_SCREENSHOTS")
	if dir == "" {
		t.Skip("REKEY_SCREENSHOTS names no folder")
	}
	d := newDemo(t)
	d.withoutLimits()
	album := &album{t: t, dir: dir}
	draw := func(scenes []scene, front string) func(*testing.T, drawing) {
		return func(t *testing.T, draw drawing) {
			for _, sc := range scenes {
				draw(sc.name, func(b *tab) { sc.show(d.stage(front), b) })
			}
		}
	}
	// The console comes first, while its customers' histories are those that the demo made up.
	album.chapter("console", draw(allConsoleScenes(), d.lune))
	for _, view := range []struct {
		language, front string
		speaker         person // a customer who has the letters of the store in this language
	}{{"en", d.lune, d.people[0]}, {"fr", d.fr, d.people[1]}} {
		album.chapter(view.language, draw(allStorefrontScenes(), view.front))
		album.chapter(view.language+"-letters", func(t *testing.T, draw drawing) {
			mine := *d
			mine.t = t
			for name, id := range mine.everyLetter(view.front, view.speaker) {
				draw(name, func(b *tab) { b.visit(d.mailbox + "/messages/" + id + "/frame") })
			}
		})
	}
	album.chapter("second-store", func(t *testing.T, draw drawing) {
		other := d.stage(d.other)
		other.email, other.word = d.people[2].name, d.people[2].password
		for _, sc := range storefrontScenes[:2] {
			draw(sc.name, func(b *tab) { sc.show(other, b) })
		}
	})
	passkeys := newStage(t, dbtest.SQLite) // at a host that browsers make passkeys for
	for chapter, front := range map[string]string{"passkeys-en": passkeys.front, "passkeys-fr": passkeys.front + "/fr"} {
		st := *passkeys
		st.front = front
		album.chapter(chapter, func(_ *testing.T, draw drawing) {
			for _, sc := range passkeyScenes {
				draw(sc.name, func(b *tab) { sc.show(&st, b) })
			}
		})
	}
	album.chapter("passkeys-console", func(_ *testing.T, draw drawing) {
		for _, sc := range passkeyConsoleScenes {
			draw(sc.name, func(b *tab) { sc.show(passkeys, b) })
		}
	})
	album.chapter("mailbox", func(t *testing.T, draw drawing) {
		draw("list", func(b *tab) { b.visit(d.mailbox) })
		draw("letter", func(b *tab) { b.visit(d.mailbox + "/messages/" + d.letters()[0].ID) })
	})
	album.bind()
}

// stage is the demo with one of its store views in front.
func (d *demo) stage(front string) *stage {
	camille, boss := d.people[0], d.people[4]
	return &stage{front: front, console: strings.TrimSuffix(d.console, "/admin"), known: "camille",
		email: camille.name, word: camille.password, admin: boss.name, adminPW: boss.password,
		rekey: func(t *testing.T, args ...string) string {
			out, complaint, exit := command(t, "", append(args, "--data", d.data)...)
			if exit != 0 {
				t.Fatalf("rekey %s: %s", strings.Join(args, " "), complaint)
			}
			return out
		},
		letter: func(t *testing.T, to string, act func()) string {
			before := d.letters()
			act()
			return d.letter(to, "", before).Text
		},
		link: func(t *testing.T) string {
			before := d.letters()
			b := newTab(t, look{})
			b.visit(front + accounts + "forgotpassword")
			b.send("email", camille.name)
			return recoveryLink.FindString(d.letter(camille.name, aLink, before).Text)
		}}
}

// withoutLimits lets the demo send as many emails as one asks for.
func (d *demo) withoutLimits() {
	d.t.Helper()
	for setting, value := range map[string]string{"customer/password/min_time_between_password_reset_requests": "0",
		"customer/password/max_number_password_reset_requests": "0", "customer/password/max_requests_per_client": "0",
		"customer/signin_by_letter/enabled": "1"} {
		if _, complaint, exit := command(d.t, "", "config", "set", setting, value, "--data", d.data); exit != 0 {
			d.t.Fatal(complaint)
		}
	}
}

// everyLetter makes the demo send each kind of letter from a store view, and gives their numbers in the mailbox.
func (d *demo) everyLetter(front string, speaker person) map[string]string {
	d.t.Helper()
	known, newcomer := speaker.name, "zoe."+speaker.name
	st, found := d.stage(front), map[string]string{}
	take := func(name, to string, act func(b *tab)) arrived {
		before := d.letters()
		b := newTab(d.t, look{})
		act(b)
		letter := d.letter(to, "", before)
		found[name] = letter.ID
		return letter
	}
	register := func(email string) func(b *tab) {
		return func(b *tab) {
			b.visit(front + accounts + "create")
			b.send("firstname", "Zoé", "lastname", "Lindqvist-Montgomery", "email", email,
				"password", newPassword, "password_confirmation", newPassword)
		}
	}
	forgot := take("forgot", known, func(b *tab) {
		b.visit(front + accounts + "forgotpassword")
		b.send("email", known)
	})
	changed := take("changed", known, func(b *tab) {
		b.visit(recoveryLink.FindString(forgot.Text))
		b.send("password", speaker.password, "password_confirmation", speaker.password)
	})
	before := d.letters()
	take("after-objection", known, func(b *tab) {
		b.visit(objectionLink.FindString(changed.Text))
		b.tickAll("sure")
		b.press(b.mainButton())
	})
	found["objection-report"] = d.letter("service@maison-lune.example", "", before).ID
	take("signin-code", known, func(b *tab) {
		b.visit(front + accounts + "loginbyletter")
		b.send("email", known)
	})
	take("by-store", known, func(b *tab) {
		st.open(b, "/admin/customers?q="+known)
		b.press("Edit")
		b.press("Reset Password")
	})
	take("apps-signed-out", known, func(b *tab) {
		d.t.Helper()
		text, _ := json.Marshal(map[string]string{"username": known, "password": speaker.password}) // strings always can be
		answer, err := http.Post(st.console+"/rest/V1/integration/customer/token", "application/json", bytes.NewReader(text))
		if err != nil || answer.StatusCode != http.StatusOK {
			d.t.Fatal(answer, err)
		}
		answer.Body.Close()
		st.open(b, "/admin/customers?q="+known)
		b.press("Edit")
		b.click("Force Sign-In")
		b.press("OK")
	})
	take("already-registered", known, register(known))
	confirm := take("confirm", newcomer, register(newcomer))
	take("welcome", newcomer, func(b *tab) {
		b.visit(anAddress.FindString(confirm.Text))
		b.send("password", newPassword)
	})
	return found
}

// album is a folder of pictures.
type album struct {
	t     *testing.T
	dir   string
	pages []string // HTML of the index
}

// drawing shows a page once and draws it in each look.
type drawing func(name string, show func(b *tab))

// chapter draws the pages that belong together.
func (a *album) chapter(chapter string, each func(*testing.T, drawing)) {
	a.t.Helper()
	a.t.Run(chapter, func(t *testing.T) {
		each(t, func(name string, show func(b *tab)) { a.draw(t, chapter, name, show) })
	})
}

func (a *album) draw(t *testing.T, chapter, name string, show func(b *tab)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		b := newTab(t, looks[0].look)
		show(b)
		row := fmt.Sprintf("<h2>%s · %s</h2>", html.EscapeString(chapter), html.EscapeString(name))
		for _, l := range looks {
			b.wearWhole(l.look)
			file := filepath.Join(chapter, name+"-"+l.name+".png")
			path := filepath.Join(a.dir, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.screenshot(), 0o644)); err != nil {
				t.Fatal(err)
			}
			row += fmt.Sprintf(`<img src="%s" alt="%s" loading="lazy">`, filepath.ToSlash(file), l.name)
		}
		a.pages = append(a.pages, row)
	})
}

// wearWhole wears a look in a window that is as high as the page, so that what sticks to the window's edges is drawn
// where a person sees it. A dialog belongs to the middle of the usual window.
func (b *tab) wearWhole(l look) {
	b.t.Helper()
	b.wear(l)
	const tallest = 6000 // pixels; a long list shows enough of itself by then
	if !script[bool](b, `!!document.querySelector('dialog[open]')`) {
		l.height = min(max(l.height, script[int](b, `document.documentElement.scrollHeight`)), tallest)
		b.wear(l)
	}
}

// bind writes the index of the album.
func (a *album) bind() {
	a.t.Helper()
	page := `<!doctype html><meta charset="utf-8"><title>Pages and letters</title>
<style>body { font: 14px system-ui; margin: 24px } img { max-height: 480px; margin: 0 16px 16px 0; border: 1px solid #ccc; vertical-align: top }</style>
` + strings.Join(a.pages, "\n")
	if err := os.WriteFile(filepath.Join(a.dir, "index.html"), []byte(page), 0o644); err != nil {
		a.t.Fatal(err)
	}
	a.t.Logf("%d pages are drawn; look at %s", len(a.pages), filepath.Join(a.dir, "index.html"))
}
