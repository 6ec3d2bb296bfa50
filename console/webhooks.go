package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
	"github.com/rekeyhq/rekey/webhook"
)

const (
	newWebhookPath = webhooksPath + "/new"
	deliveryRows   = 50
)

// webhookRow is a webhook as lists show it.
type webhookRow struct {
	webhook.Webhook
	URL, Website string // URL of its page
	Events       string // what it is told of, in words
}

func (c *call) webhookRow(w webhook.Webhook) webhookRow {
	r := webhookRow{Webhook: w, URL: webhookURL(w.ID), Website: "All websites", Events: strings.Join(w.Types, ", ")}
	if len(w.Types) == len(webhook.Types()) {
		r.Events = "All"
	}
	if w.WebsiteID != 0 {
		r.Website = c.websiteName(w.WebsiteID)
	}
	return r
}

func webhookURL(id db.ID) string { return webhooksPath + "/" + id.String() }

func (c *call) webhookTrail() []crumb { return []crumb{{Text: "System"}, {"Webhooks", webhooksPath}} }

// webhooks lists the addresses that are told of events.
func (c *call) webhooks() error {
	p := struct {
		page
		Rows []webhookRow
		New  string
	}{page: c.page("Webhooks", crumb{Text: "System"}), New: newWebhookPath}
	err := c.read(func(tx *db.Tx) error {
		all, err := webhook.List(c.r.Context(), tx, c.permit)
		for _, w := range all {
			p.Rows = append(p.Rows, c.webhookRow(w))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "webhooks", p)
}

// webhookForm is the form of a new webhook: fields, and a box for each event.
type webhookForm struct {
	formPage
	Events []eventBox
	Error  string // why the boxes were refused
}

type eventBox struct {
	webhook.Type
	Field string
	On    bool
}

func (c *call) webhookForm() webhookForm {
	p := webhookForm{formPage: formPage{page: c.page("New Webhook", c.webhookTrail()...)}}
	var sites []option
	if c.everywhere() {
		sites = append(sites, option{Text: "All websites"})
	}
	p.Intro = "Rekey posts a signed message to this address each time something happens. It holds ids, and never an address, a link or a secret."
	p.Form = form{Action: webhooksPath, Submit: "Create Webhook", Back: webhooksPath, Key: p.Key, Fields: []field{
		{Name: "url", Label: "Address", Type: "text", Autocomplete: "off", Mono: true, Hint: "Where the receiver listens, such as https://erp.example/rekey."},
		{Name: "website", Label: "Website", Options: append(sites, websiteOptions(c.websites(), "")...), Hint: "Only what happens there is told."},
	}}
	for _, t := range webhook.Types() {
		p.Events = append(p.Events, eventBox{Type: t, Field: "event_" + strings.ReplaceAll(t.Name, ".", "_"), On: true})
	}
	return p
}

func (c *call) newWebhook() error { return c.render(http.StatusOK, "webhooknew", c.webhookForm()) }

// createWebhook makes a webhook. Its answer is the page that shows the secret, this once: a redirect would have to carry it.
func (c *call) createWebhook() error {
	p := c.webhookForm()
	names := p.Form.names()
	for _, box := range p.Events {
		names = append(names, box.Field)
	}
	v, err := web.Form(c.r, names...)
	if err != nil {
		return err
	}
	p.Form.fill(v.Get)
	n := webhook.New{URL: v.Get("url")}
	for i := range p.Events {
		box := &p.Events[i]
		if box.On = v.Has(box.Field); box.On {
			n.Types = append(n.Types, box.Name)
		}
	}
	if code := v.Get("website"); code != "" {
		site, ok := c.websiteByCode(code)
		if !ok {
			return c.webhookAgain(p, refusal("website", noSuchWebsite))
		}
		n.WebsiteID = site.ID
	}
	if !c.permit.Covers(n.WebsiteID) {
		return c.webhookAgain(p, refusal("website", "You administer one website, so the webhook can only be of that one."))
	}
	made, key, err := c.Webhooks.Create(c.r.Context(), c.permit, n, c.origin())
	if err != nil {
		return c.webhookAgain(p, err)
	}
	return c.render(http.StatusCreated, "webhookmade", struct {
		page
		Webhook webhookRow
		Secret  string
	}{c.page("Webhook Created", c.webhookTrail()...), c.webhookRow(made), key.Reveal()})
}

// webhookAgain shows the form with what was refused.
func (c *call) webhookAgain(p webhookForm, err error) error {
	faults, ok := mendable(err)
	if !ok {
		return err
	}
	p.Summary = p.Form.refuse(faults)
	for i, one := range faults {
		if one.Field == "types" {
			p.Summary.Items[i].Field, p.Error = "types", one.Text
		}
	}
	return c.render(http.StatusUnprocessableEntity, "webhooknew", p)
}

// oneWebhook finds the webhook of the address. Errors: the answer for what does not exist.
func (c *call) oneWebhook() (w webhook.Webhook, err error) {
	id, err := c.idOf("id")
	if err != nil {
		return w, err
	}
	err = c.read(func(tx *db.Tx) (err error) {
		w, err = webhook.Find(c.r.Context(), tx, c.permit, id)
		return err
	})
	return w, err
}

func (c *call) idOf(part string) (db.ID, error) {
	id, err := db.ParseID(c.r.PathValue(part))
	if err != nil {
		return id, fault.New(fault.NotFound, "not_found", "There is no such webhook.")
	}
	return id, nil
}

// deliveryRow is a delivery as the list shows it.
type deliveryRow struct {
	webhook.Delivery
	StateWord, Tone, Replays string
}

// webhook shows one webhook and what became of its events.
func (c *call) webhook() error {
	w, err := c.oneWebhook()
	if err != nil {
		return err
	}
	var after db.ID
	if text := c.r.URL.Query().Get("after"); text != "" {
		if after, err = db.ParseID(text); err != nil {
			return web.NoSuchPage()
		}
	}
	p := struct {
		page
		Webhook      webhookRow
		Address      string
		Rows         []deliveryRow
		Newest, Next string
	}{page: c.page(w.Host(), c.webhookTrail()...), Webhook: c.webhookRow(w), Address: w.URL}
	var all []webhook.Delivery
	if err := c.read(func(tx *db.Tx) (err error) {
		all, err = webhook.Deliveries(c.r.Context(), tx, w.ID, after, deliveryRows+1)
		return err
	}); err != nil {
		return err
	}
	if !after.IsZero() {
		p.Newest = p.Webhook.URL
	}
	if len(all) > deliveryRows {
		all = all[:deliveryRows]
		p.Next = withQuery(p.Webhook.URL, url.Values{"after": {all[deliveryRows-1].ID.String()}})
	}
	for _, d := range all {
		r := deliveryRow{Delivery: d}
		r.StateWord, r.Tone = letterState(d.State)
		if w.Active {
			r.Replays = p.Webhook.URL + "/deliveries/" + d.ID.String() + "/replay"
		}
		p.Rows = append(p.Rows, r)
	}
	return c.render(http.StatusOK, "webhook", p)
}

// replayEvent sends one event again.
func (c *call) replayEvent() error {
	id, err := c.idOf("id")
	if err != nil {
		return err
	}
	delivery, err := c.idOf("delivery")
	if err != nil {
		return err
	}
	if err := c.Webhooks.Replay(c.r.Context(), c.permit, id, delivery, c.origin()); err != nil {
		return err
	}
	return c.done(webhookURL(id), web.Notice{Key: "webhook.replayed"})
}

func (c *call) enableWebhook() error  { return c.setWebhook(true, "webhook.enabled") }
func (c *call) disableWebhook() error { return c.setWebhook(false, "webhook.disabled") }

func (c *call) setWebhook(active bool, notice string) error {
	id, err := c.idOf("id")
	if err != nil {
		return err
	}
	if err := c.Webhooks.SetActive(c.r.Context(), c.permit, id, active, c.origin()); err != nil {
		return err
	}
	return c.done(webhookURL(id), web.Notice{Key: notice})
}

// deleteWebhookPage asks before deleting, on a page of its own.
func (c *call) deleteWebhookPage() error {
	w, err := c.oneWebhook()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "webhookdelete", struct {
		page
		Webhook webhookRow
	}{c.page("Delete Webhook", append(c.webhookTrail(), crumb{w.Host(), webhookURL(w.ID)})...), c.webhookRow(w)})
}

func (c *call) deleteWebhook() error {
	id, err := c.idOf("id")
	if err != nil {
		return err
	}
	if err := c.Webhooks.Delete(c.r.Context(), c.permit, id, c.origin()); err != nil {
		return err
	}
	return c.done(webhooksPath, web.Notice{Key: "webhook.deleted"})
}
