package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/secret"
)

// ShownForField is the hidden field by which a form says which link, or which account, it was shown for. A browser has one set of
// cookies and many tabs: what a tab shows must not be decided by a cookie that another tab has changed since.
const ShownForField = "shown_for"

// MaxOpened is how many one-time links of one purpose a browser keeps open side by side; one more closes the one that was used
// longest ago, and its page says so.
const MaxOpened = 5

// openedSign stands between the links of one cookie; no secret has it.
const openedSign = "."

// ShownFor is what a form carries for the secret that it was shown for. It is another value for each purpose and tells nothing of the
// secret: a page may hold it.
func ShownFor(what secret.Text, purpose ...string) string {
	mac := hmac.New(sha256.New, []byte(what.Reveal()))
	mac.Write([]byte("rekey form\x00" + strings.Join(purpose, "\x00")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// Matches compares a form's ShownForField with what it should be.
func Matches(given, want string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// Opened are the one-time links of one purpose that a browser has opened and not used up, the latest first, so that several tabs
// each keep their own. They live in one cookie.
type Opened struct {
	jar   Jar
	name  string
	links []secret.Text
}

// Opened reads them from a request.
func (j Jar) Opened(r *http.Request, name string) Opened {
	o := Opened{jar: j, name: name}
	if kept := j.Get(r, name); !kept.IsEmpty() {
		for link := range strings.SplitSeq(kept.Reveal(), openedSign) {
			o.links = append(o.links, secret.NewText(link))
		}
		o.links = o.links[:min(len(o.links), MaxOpened)]
	}
	return o
}

// Latest is the link that a page without a form's word is about: the one that was opened or used last; empty when there is none.
func (o Opened) Latest() secret.Text {
	if len(o.links) == 0 {
		return secret.NewText("")
	}
	return o.links[0]
}

// ShownFor is the value for the form of one of the links.
func (o Opened) ShownFor(link secret.Text) string { return ShownFor(link, o.name) }

// Of is the link that a form was shown for, whatever other tabs have opened since. A form that does not say is about the only link
// there is; an empty text, which is no link, where there is none. Errors: *Refusal when the browser no longer has the link.
func (o Opened) Of(form Values) (secret.Text, error) {
	said := form.Get(ShownForField)
	if len(o.links) == 0 || said == "" && len(o.links) == 1 {
		return o.Latest(), nil
	}
	for _, link := range o.links {
		if Matches(said, o.ShownFor(link)) {
			return link, nil
		}
	}
	return secret.NewText(""), &Refusal{Status: http.StatusConflict, Key: "link.other_page",
		Text: "This page belongs to a link that was used already, or that this browser has let go of for others. Nothing was changed. Open the link in the email once more."}
}

// Landed is the secret of the mailed link that a request opens, and whether it opens one. Of an address with two nobody knows which
// is meant: it has none, and the page explains.
func Landed(r *http.Request) (link secret.Text, opens bool) {
	tokens := r.URL.Query()["token"]
	if len(tokens) == 1 {
		return secret.Mailed(tokens[0]), true
	}
	return secret.NewText(""), len(tokens) > 0
}

// Has tells whether the browser has a link.
func (o Opened) Has(link secret.Text) bool {
	return !link.IsEmpty() && slices.ContainsFunc(o.links, link.Equal)
}

// Add makes a link the latest. What cannot be a link takes that place as well: the page then explains, and other tabs keep theirs.
func (o Opened) Add(w http.ResponseWriter, link secret.Text, life time.Duration) {
	if !secret.WellFormed(link) {
		link = secret.NewText("")
	}
	rest := o.without(link)
	o.keep(w, append([]secret.Text{link}, rest[:min(len(rest), MaxOpened-1)]...), life)
}

// Close forgets a link that was used up.
func (o Opened) Close(w http.ResponseWriter, link secret.Text, life time.Duration) {
	o.keep(w, o.without(link), life)
}

func (o Opened) without(link secret.Text) []secret.Text {
	return slices.DeleteFunc(slices.Clone(o.links), func(one secret.Text) bool { return one.IsEmpty() || one.Equal(link) })
}

func (o Opened) keep(w http.ResponseWriter, links []secret.Text, life time.Duration) {
	var all []string
	for _, link := range links {
		all = append(all, link.Reveal())
	}
	if kept := strings.Join(all, openedSign); kept != "" {
		o.jar.Set(w, o.name, secret.NewText(kept), life)
	} else {
		o.jar.Drop(w, o.name)
	}
}
