package storefront

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// passkeySection lists a customer's passkeys.
type passkeySection struct {
	Passkeys []passkeyLine
	Add      string // "" where there can be no more, and while none can be added
	Held     string // until when, after "It wasn't me"
	Known    string // what the browser is told, as JSON
	Hosts    bool   // the website has several, and a passkey is good at one
}

type passkeyLine struct {
	Name, Host           string
	Added, Used, UsedISO string
	UsedExact            string
	Edit, Remove         string
	EditLabel, DropLabel string
}

func (c *call) passkeyLine(p signin.Passkey) passkeyLine {
	id := "?id=" + p.ID.String()
	line := passkeyLine{Name: p.Name, Host: p.Host, Edit: c.view.Path(editPasskeyPath) + id, Remove: c.view.Path(dropPasskeyPath) + id,
		Added:     c.L.T("storefront.passkey.added", "Date", c.L.ShortDate(p.CreatedAt, c.view.Location())),
		EditLabel: c.L.T("storefront.passkey.rename_this", "Name", p.Name), DropLabel: c.L.T("storefront.passkey.remove_this", "Name", p.Name),
		Used: c.L.T("storefront.passkey.unused")}
	if !p.LastUsedAt.IsZero() {
		line.Used = c.L.T("storefront.passkey.used", "Ago", c.L.Ago(p.LastUsedAt, web.Now(c.r)))
		line.UsedExact, line.UsedISO = c.L.Date(p.LastUsedAt, c.view.Location()), p.LastUsedAt.UTC().Format(time.RFC3339)
	}
	return line
}

// passkeySection is nil where the store view takes no passkeys.
func (c *call) passkeySection() (*passkeySection, error) {
	if !c.SignIn.OffersPasskeys(c.view) {
		return nil, nil
	}
	var all []signin.Passkey
	var held bool
	err := c.SignIn.DB.Read(c.r.Context(), func(tx *db.Tx) error {
		now, err := tx.Now(c.r.Context())
		if err != nil {
			return err
		}
		held = c.signed.Customer.ChangesHeld(now)
		all, err = signin.Passkeys(c.r.Context(), tx, c.signed.Customer.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	s := &passkeySection{Hosts: c.hosts() > 1}
	switch {
	case held:
		s.Held = c.L.T("storefront.passkey.held", "Date", c.when(c.signed.Customer.ChangesHeldUntil))
	case len(all) < signin.MaxPasskeys:
		s.Add = c.view.Path(addPasskeyPath)
	}
	for _, p := range all {
		s.Passkeys = append(s.Passkeys, c.passkeyLine(p))
	}
	if h, ok := c.SignIn.HandleAt(c.view, c.signed, all); ok {
		known, err := json.Marshal(map[string]any{"rpId": h.Host, "userId": h.Customer, "allAcceptedCredentialIds": h.Known})
		if err != nil {
			return nil, err
		}
		s.Known = string(known)
	}
	return s, nil
}

// hosts counts the hosts of the website.
func (c *call) hosts() int {
	seen := map[string]bool{}
	for _, v := range c.stores.ViewsOf(c.view.WebsiteID) {
		if u, err := url.Parse(v.BaseURL); err == nil && u.Host != "" {
			seen[u.Hostname()] = true
		}
	}
	return len(seen)
}

type passkeysPage struct {
	page
	List *passkeySection
	Back string
}

func (c *call) passkeysPage() error {
	section, err := c.passkeySection()
	if err != nil {
		return err
	}
	if section == nil {
		return web.NoSuchPage()
	}
	p := passkeysPage{page: c.page("storefront.passkey.title", passkeysPath), List: section, Back: c.view.Path(account)}
	p.Wide, p.SignOut, p.WantsPasskeys = true, c.view.Path(signOutPath), true
	return c.render(http.StatusOK, "passkeys", p)
}

// first sends to the page that asks who sits there, and from there back to what was wanted.
func (c *call) first(next string) error {
	web.SeeOther(c.w, c.proofURL(next))
	return nil
}

func (c *call) proofURL(next string) string {
	return c.view.Path(proofPath) + "?" + url.Values{"next": {next}}.Encode()
}

// What begins the name of what was wanted, in the proof's form; an id follows, never an address.
const (
	nextRemove = "remove." // a passkey that is to be removed
	nextEnd    = "end."    // a session that is to end, or all the others
)

// afterProof is the page to go on to.
func (c *call) afterProof(next string) string {
	if id, removes := strings.CutPrefix(next, nextRemove); removes {
		if _, err := db.ParseID(id); err == nil {
			return c.view.Path(dropPasskeyPath) + "?id=" + id
		}
	}
	if to, ok := afterSignIn[next]; ok {
		return c.view.Path(to)
	}
	return c.view.Path(passkeysPath)
}

func (c *call) proofPage() error {
	p, err := c.proofForm(c.r.URL.Query().Get("next"))
	if err != nil {
		return err
	}
	return c.show(p)
}

// proofForm asks for the password, or for a passkey of the customer's.
func (c *call) proofForm(next string) (page, error) {
	p := c.page("storefront.proof.title", proofPath)
	p.Intro = []string{c.L.T("storefront.proof.intro")}
	if which, ends := strings.CutPrefix(next, nextEnd); ends { // nothing more is asked before that
		key := "storefront.proof.then_ended"
		if which == others {
			key += "_others"
		}
		p.Intro = append(p.Intro, c.L.T(key))
	}
	p.Form = c.form(p, proofPost, "storefront.proof.submit", c.password("current_password", "current_password", "current-password"))
	p.Form.Hidden = []hidden{{"next", next}}
	p.Links = []link{{URL: c.view.Path(account), Text: c.L.T("storefront.edit.back")}}
	ask, ok, err := c.SignIn.AskOwner(c.r.Context(), c.view, c.signed)
	if err != nil || !ok {
		return p, err
	}
	p.Passkey = c.passkeyForm(p, proofPost, "get", "storefront.proof.passkey", ask)
	p.Passkey.Hidden = []hidden{{"next", next}}
	return p, nil
}

// prove takes the password or the passkey.
func (c *call) prove() error {
	form, err := web.Form(c.r, "current_password", ticketField, passkeyField, "next")
	if err != nil {
		return err
	}
	next := form.Get("next")
	if form.Has(passkeyField) {
		err = c.SignIn.ConfirmByPasskey(c.r.Context(), c.view, c.signed, c.answer(form), c.origin())
	} else {
		err = c.SignIn.Confirm(c.r.Context(), c.view, c.signed, form.Secret("current_password"), c.origin())
	}
	if faults, ok := mendable(err); ok {
		p, err := c.proofForm(next)
		if err != nil {
			return err
		}
		return c.again(p, faults)
	}
	if err != nil {
		return err
	}
	if which, ends := strings.CutPrefix(next, nextEnd); ends {
		return c.endOther(which)
	}
	web.SeeOther(c.w, c.afterProof(next))
	return nil
}

func (c *call) addPasskeyPage() error {
	p, err := c.addPasskeyForm(c.browser(c.origin().Browser()))
	if fault.Is(err, fault.Forbidden) {
		return c.first("addpasskey")
	}
	if err != nil {
		return c.orNoMore(err)
	}
	return c.render(http.StatusOK, "addpasskey", p)
}

// orNoMore leads back to the list, which says why, where the account takes no more passkeys, and hands other errors on.
func (c *call) orNoMore(err error) error {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Conflict {
		return err
	}
	n := web.Notice{Key: "storefront.notice.passkey_too_many", Bad: true}
	switch f.Key {
	case signin.PasskeysHeld:
		n.Key = "storefront.notice.passkey_held"
	case signin.PasskeysUnproven:
		n.Key = "storefront.notice.passkey_unproven"
	}
	return c.done(n, passkeysPath)
}

func (c *call) addPasskeyForm(name string) (page, error) {
	p := c.page("storefront.passkey.add", addPasskeyPath)
	ask, err := c.SignIn.AskNewPasskey(c.r.Context(), c.view, c.signed)
	if err != nil {
		return p, err
	}
	p.Intro = []string{c.L.T("storefront.passkey.add_intro")}
	p.Passkey = c.passkeyForm(p, addPasskeyPost, "create", "storefront.passkey.create", ask)
	p.Passkey.Main = true
	p.Passkey.Fields = []field{c.passkeyName(name)}
	p.Links = []link{{URL: c.view.Path(passkeysPath), Text: c.L.T("storefront.passkey.back")}}
	return p, nil
}

// passkeyName is the field for what a customer calls a passkey.
func (c *call) passkeyName(value string) field {
	f := c.text("name", "off", value)
	f.Label = c.L.T("storefront.passkey.name")
	f.Hint = &described{ID: "name-hint", Text: c.L.T("storefront.passkey.name_hint")}
	return f
}

// addPasskey keeps the passkey that the browser made.
func (c *call) addPasskey() error {
	form, err := web.Form(c.r, ticketField, passkeyField, "name")
	if err != nil {
		return err
	}
	err = c.SignIn.AddPasskey(c.r.Context(), c.view, c.signed, c.answer(form), form.Get("name"), c.origin())
	if fault.Is(err, fault.Forbidden) {
		return c.first("addpasskey")
	}
	if faults, ok := mendable(err); ok {
		p, err := c.addPasskeyForm(form.Get("name"))
		if err != nil {
			return c.orNoMore(err)
		}
		p.Summary = c.refuse(faults, &p.Form)
		return c.render(http.StatusUnprocessableEntity, "addpasskey", p)
	}
	if err != nil {
		return c.orNoMore(err)
	}
	return c.done(web.Notice{Key: "storefront.notice.passkey_added"}, passkeysPath)
}

// named finds the passkey that an address or a form names.
func (c *call) named(id string) (p signin.Passkey, err error) {
	at, err := db.ParseID(id)
	if err != nil {
		return p, web.NoSuchPage()
	}
	err = c.SignIn.DB.Read(c.r.Context(), func(tx *db.Tx) (err error) {
		p, err = signin.FindPasskey(c.r.Context(), tx, c.signed.Customer.ID, at)
		return err
	})
	return p, err
}

func (c *call) editPasskeyPage() error {
	k, err := c.named(c.r.URL.Query().Get("id"))
	if err != nil {
		return err
	}
	return c.show(c.editPasskeyForm(k, k.Name))
}

func (c *call) editPasskeyForm(k signin.Passkey, name string) page {
	p := c.page("storefront.passkey.rename_title", passkeysPath)
	p.Form = c.form(p, editPasskeyPost, "storefront.passkey.rename_submit", c.passkeyName(name))
	p.Form.Hidden = []hidden{{"id", k.ID.String()}}
	p.Links = []link{{URL: c.view.Path(passkeysPath), Text: c.L.T("storefront.passkey.back")}}
	return p
}

func (c *call) editPasskey() error {
	form, err := web.Form(c.r, "id", "name")
	if err != nil {
		return err
	}
	k, err := c.named(form.Get("id"))
	if err != nil {
		return err
	}
	if err := c.SignIn.RenamePasskey(c.r.Context(), c.signed, k.ID, form.Get("name")); err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.editPasskeyForm(k, form.Get("name")), faults)
		}
		return err
	}
	return c.done(web.Notice{Key: "storefront.notice.passkey_renamed"}, passkeysPath)
}

// dropPasskeyPage asks once more, after whoever sits there has shown who they are.
func (c *call) dropPasskeyPage() error {
	k, err := c.named(c.r.URL.Query().Get("id"))
	if err != nil {
		return err
	}
	if !c.signed.Proven {
		return c.first(nextRemove + k.ID.String())
	}
	p := c.page("storefront.passkey.remove_title", passkeysPath)
	p.Intro = []string{c.L.T("storefront.passkey.remove_intro", "Name", k.Name)}
	p.Form = c.form(p, dropPasskeyPost, "storefront.passkey.remove_submit")
	p.Form.Hidden = []hidden{{"id", k.ID.String()}}
	p.Links = []link{{URL: c.view.Path(passkeysPath), Text: c.L.T("storefront.passkey.remove_not")}}
	return c.show(p)
}

func (c *call) dropPasskey() error {
	form, err := web.Form(c.r, "id")
	if err != nil {
		return err
	}
	id, err := db.ParseID(form.Get("id"))
	if err != nil {
		return web.NoSuchPage()
	}
	err = c.SignIn.RemovePasskey(c.r.Context(), c.view, c.signed, id, c.origin())
	if fault.Is(err, fault.Forbidden) {
		return c.first(nextRemove + id.String())
	}
	if err != nil && !fault.Is(err, fault.NotFound) { // gone already is what was asked for
		return err
	}
	return c.done(web.Notice{Key: "storefront.notice.passkey_removed"}, passkeysPath)
}
