package storefront

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/lang"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// page is what the layout shows around every content.
type page struct {
	L         *lang.Lang
	Title     string // the h1
	Wide      bool
	SignOut   string // where the button in the masthead posts to; "" for none
	Icon      string
	Theme     string
	Logo      string
	Shop      string // where the logo leads; "" for nowhere
	Key       string // the form key
	Email     string // of the store's customer service
	Phone     string
	Notice    *notice
	Also      *otherView
	Languages []otherView
	Summary   *summary
	Intro     []string
	Form      form
	Passkey   *passkeyForm
	Links     []link

	WantsPasskeys bool // the page has something for browsers with passkeys besides such a form

	call *call
}

type notice struct {
	Text, More string
	Link       *link // where to go on, if there is such a place
	Bad        bool
}

// otherView leads to the same page of another store view of the website.
type otherView struct {
	Tag, Name, URL string
	Sentence       string // "This page is also available in …", in that language
	Current        bool
}

type link struct{ Before, URL, Text string }

// summary lists what is wrong with a form; each item leads to its field.
type summary struct {
	Title string
	Items []struct{ Field, Text string }
}

// page begins a page. The path is where it is found with GET, so that the language switch leads there after a POST too.
func (c *call) page(titleKey, path string) page {
	p := page{
		L: c.L, Title: c.L.T(titleKey), call: c,
		Theme: c.themeURL(), Icon: c.iconURL(), Logo: c.view.StoreName(), Shop: c.view.Address(shop.ShopAddress),
		Email: c.view.SupportEmail, Phone: c.view.SupportPhone,
		Key: web.FormKey(c.w, c.r, c.jar.Secure),
	}
	if n, ok := c.jar.Told(c.w, c.r); ok {
		p.Notice = c.notice(n)
	}
	p.Languages, p.Also = c.languages(path)
	if to := c.wayBack(); to != "" {
		c.leadOutTo(to)
	}
	return p
}

// Heading is the document's title, with "Error" in front where a form came back.
func (p page) Heading() string {
	key := "storefront.title"
	if p.Summary != nil {
		key = "storefront.title_error"
	}
	return p.L.T(key, "Page", p.Title, "Store", p.Logo)
}

// Scripts are the files that the page needs besides the one of every page.
func (p page) Scripts() []string {
	if p.Passkey == nil && !p.WantsPasskeys {
		return nil
	}
	return []string{passkey.ScriptName}
}

// ShownFor is the customer whose page it is, for the forms that the page writes itself.
func (p page) ShownFor() string { return p.call.mine() }

// Asset is the address of a style sheet or script.
func (p page) Asset(name string) string { return p.call.view.Path(p.call.assets.URL(name)) }

// Dial is the phone number as a tel: address takes it.
func (p page) Dial() string {
	return strings.Map(func(c rune) rune {
		if c == '+' || (c >= '0' && c <= '9') {
			return c
		}
		return -1
	}, p.Phone)
}

// notice reads a notice in the language of the view. Only messages made for it are read: the cookie is the visitor's.
func (c *call) notice(n web.Notice) *notice {
	args := map[string]any{"Store": c.view.StoreName()}
	for k, v := range n.Args {
		args[k] = v
	}
	say := func(key string) string {
		allowed := strings.HasPrefix(key, "storefront.notice.") || strings.HasPrefix(key, "password.advice.") || key == "error.signin.required"
		if !allowed || !c.L.Has(key) {
			return ""
		}
		return c.L.T(key, args)
	}
	out := &notice{Text: say(n.Key), More: say(n.More), Bad: n.Bad}
	if out.Text == "" {
		return nil
	}
	if n.Key == resetRequested {
		out.Link = &link{URL: c.view.Path(resetCodePath), Text: c.L.T("storefront.code.elsewhere")}
	}
	return out
}

// onThisHost tells whether a page means something only beside the cookies of this host.
func onThisHost(path string) bool {
	_, leads := landings[path]
	return leads || path == resetCodePath || path == signInCodePath
}

// languages are the store views of this website that show the same page, and the one among them that the browser would
// rather read. Where the page depends on a cookie of this host, other hosts are left out: there it would be another page.
func (c *call) languages(path string) (all []otherView, also *otherView) {
	var locales []string
	var views []*shop.View
	for _, v := range c.stores.ViewsOf(c.view.WebsiteID) {
		if v.BaseURL == "" || onThisHost(path) && !c.sameHost(v) {
			continue
		}
		views = append(views, v)
		locales = append(locales, v.Locale)
	}
	if len(views) < 2 {
		return nil, nil
	}
	for _, v := range views {
		all = append(all, otherView{Tag: v.Lang().Tag(), Name: c.viewName(v, views), URL: v.Link(path, nil), Current: v == c.view,
			Sentence: v.Lang().T("storefront.also")})
	}
	if i, ok := lang.Match(c.r.Header.Get("Accept-Language"), locales); ok && all[i].Tag != c.L.Tag() {
		also = &all[i]
	}
	return all, also
}

func (c *call) sameHost(v *shop.View) bool {
	at, _, ok := c.stores.ViewFor(c.r.Host, v.Path("/"))
	return ok && at == v
}

// viewName is the language's own name, and the view's where two views speak one language.
func (c *call) viewName(v *shop.View, views []*shop.View) string {
	for _, other := range views {
		if other != v && other.Lang().Tag() == v.Lang().Tag() {
			return v.Name
		}
	}
	return v.Lang().Name()
}

func (c *call) render(status int, name string, data any) error {
	return c.pages.Render(c.w, status, name, data)
}

// show renders a page that is one form.
func (c *call) show(p page) error { return c.showForm(http.StatusOK, p) }

// showForm puts the puzzle into a form that needs one now, and renders the page.
func (c *call) showForm(status int, p page) error {
	if err := c.pose(&p.Form); err != nil {
		return err
	}
	return c.render(status, "form", p)
}

// again shows a form that was refused, with the reasons.
func (c *call) again(p page, faults []*fault.Error) error {
	p.Summary = c.refuse(faults, &p.Form)
	c.mending = !slices.ContainsFunc(faults, func(f *fault.Error) bool { return f.Kind != fault.Invalid })
	return c.showForm(http.StatusUnprocessableEntity, p)
}

// refuse writes the reasons beside their fields and returns the summary.
func (c *call) refuse(faults []*fault.Error, forms ...*form) *summary {
	s := &summary{Title: c.L.T("storefront.problem")}
	for _, f := range faults {
		item := struct{ Field, Text string }{Text: c.reason(f)}
		for _, form := range forms {
			if form.refuse(f.Field, item.Text) {
				item.Field = f.Field
			}
		}
		s.Items = append(s.Items, item)
	}
	return s
}

// fail is the page of a failure. Where there is no store view to look like, it is plain.
func (c *call) fail(f web.Failure) {
	if c.view == nil {
		web.PlainPage(c.w, c.r, f)
		return
	}
	key := "refused"
	switch {
	case f.Status == http.StatusNotFound:
		key = "not_found"
	case f.Kind == fault.Limited:
		key = "limited"
	case f.Kind == fault.Busy:
		key = "busy"
	case f.Internal():
		key = "internal"
	}
	p := c.page("storefront.failure."+key, signInPath)
	p.Intro = []string{c.reason(&fault.Error{Key: f.Key, Text: f.Text, Args: withMinutes(f)})}
	p.Links = []link{{URL: c.view.Path(signInPath), Text: c.L.T("storefront.failure.home")}}
	if err := c.render(f.Status, "failure", p); err != nil {
		c.Log.ErrorContext(c.r.Context(), "failure page", "id", f.RequestID, "error", web.Scrub(c.r, err))
		web.PlainPage(c.w, c.r, f)
	}
}

// withMinutes adds the wait in whole minutes, rounded up, to the values of a sentence that says when to try again.
func withMinutes(f web.Failure) map[string]any {
	args := map[string]any{}
	for k, v := range f.Args {
		args[k] = v
	}
	if _, ok := args["Minutes"]; !ok && f.RetryAfter > 0 {
		args["Minutes"] = int(f.RetryAfter.Minutes()) + 1
	}
	return args
}
