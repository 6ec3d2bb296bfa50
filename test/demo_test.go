package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// demo is a running demo and what it printed for its visitor.
type demo struct {
	t       *testing.T
	data    string
	node    *program
	lune    string // base URL of the first store's English view
	fr      string // and of its French one
	other   string // of the second store
	console string
	mailbox string
	people  []person // as printed: four customers and the administrator
}

type person struct{ name, password, place string }

// aLink is what every recovery letter says.
const aLink = "/customer/account/createpassword?token="

// onePerson is a printed sign-in: a name, a password without spaces, and where they belong.
var onePerson = regexp.MustCompile(`(?m)^    (\S+)\s{2,}(\S+)\s{2,}(\S.*)$`)

func newDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{t: t, data: t.TempDir()}
	d.node = launch(t, "demo", "--listen", "127.0.0.1:0", "--data", d.data)
	_, d.lune = d.node.line("Maison Lune")
	_, d.fr = d.node.line("français")
	_, d.other = d.node.line("Nordlicht Outdoor")
	_, d.console = d.node.line("Console")
	_, d.mailbox = d.node.line("Mailbox")
	err := eventually(starting, func() error {
		if !strings.Contains(d.node.printed(), "Try first") {
			return fmt.Errorf("it does not say what to try")
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, d.node.said())
	}
	for _, m := range onePerson.FindAllStringSubmatch(d.node.printed(), -1) {
		d.people = append(d.people, person{m[1], m[2], m[3]})
	}
	d.node.ready(d.lune)
	return d
}

// arrived is one letter as the mailbox lists it.
type arrived struct {
	ID         string   `json:"id"`
	Recipients []string `json:"recipients"`
	Subject    string   `json:"subject"`
	Text       string   `json:"text"`
	HTML       string   `json:"html"`
}

// letters are the letters in the mailbox, newest first.
func (d *demo) letters() []arrived {
	d.t.Helper()
	var list struct {
		Messages []arrived `json:"messages"`
	}
	d.fetch("/api/messages", &list)
	return list.Messages
}

// letter waits for a letter to an address that says something and was not there before.
func (d *demo) letter(to, says string, before []arrived) arrived {
	d.t.Helper()
	var found arrived
	err := eventually(delivery, func() error {
		for _, m := range d.letters() {
			if len(m.Recipients) != 1 || m.Recipients[0] != to || has(before, m.ID) {
				continue
			}
			found = arrived{}
			if d.fetch("/api/messages/"+m.ID, &found); strings.Contains(found.Text, says) {
				return nil
			}
		}
		return fmt.Errorf("no letter to %s that says %q", to, says)
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

func has(all []arrived, id string) bool {
	for _, m := range all {
		if m.ID == id {
			return true
		}
	}
	return false
}

func (d *demo) fetch(path string, into any) {
	d.t.Helper()
	response, err := http.Get(d.mailbox + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		d.t.Fatalf("%s: %v", path, err)
	}
}

// TestDemoPrintsWhatToTry does what the demo's first screen proposes, with nothing but what it printed.
func TestDemoPrintsWhatToTry(t *testing.T) {
	beside(t)
	started := time.Now()
	d := newDemo(t)
	if len(d.people) != 5 {
		t.Fatalf("the demo printed %d sign-ins, want 5:\n%s", len(d.people), d.node.printed())
	}
	for _, address := range []string{d.lune, d.fr, d.other, d.console, d.mailbox} {
		if got := newTab(t, look{}).visit(address); got != http.StatusOK {
			t.Errorf("%s gives %d", address, got)
		}
	}

	camille := d.people[0]
	b := newTab(t, look{})
	b.visit(d.lune)
	b.press("Forgot Your Password?")
	b.fill("Email Address", camille.name)
	b.press("Reset My Password")
	b.see(neutral)
	letter := d.letter(camille.name, aLink, nil)

	inbox := newTab(t, look{})
	inbox.visit(d.mailbox)
	inbox.see(letter.Subject)
	inbox.press(letter.Subject)
	b.visit(recoveryLink.FindString(letter.Text))
	b.fill("New Password", newPassword)
	b.fill("Confirm New Password", newPassword)
	b.press("Reset Password")
	b.see("You updated your password.")
	if took := time.Since(started); took > 2*time.Minute {
		t.Errorf("the first reset took %v", took)
	}
	b.expect(http.StatusOK, b.send("login[username]", camille.name, "login[password]", newPassword))
	b.see("My Account")

	for _, p := range d.people[1:] {
		front := d.lune
		switch {
		case p.place == "Console":
			signed := newTab(t, look{})
			signed.visit(d.console)
			signed.expect(http.StatusOK, signed.send("username", p.name, "password", p.password))
			signed.see("All Customers", "camille")
			continue
		case strings.HasPrefix(p.place, "Nordlicht"):
			front = d.other
		}
		signed := newTab(t, look{})
		signed.visit(front)
		signed.expect(http.StatusOK, signed.send("login[username]", p.name, "login[password]", p.password))
		if at := signed.address().Path; !strings.HasSuffix(at, "/customer/account") {
			t.Errorf("%s is not signed in but at %s", p.name, at)
		}
	}
}
