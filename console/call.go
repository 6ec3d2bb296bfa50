package console

import (
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

const sessionCookie = "session"

// call is one request, its answer and who asks.
type call struct {
	*Console
	w   http.ResponseWriter
	r   *http.Request
	jar web.Jar

	who    admin.Admin  // the zero Admin before enter
	permit admin.Permit // for the right of the address
	snap   *shop.Snapshot
}

func jar(r *http.Request) web.Jar { return web.Jar{Secure: web.HTTPS(r), Scope: "admin"} }

// enter finds out who is signed in. Errors: fault Unauthenticated.
func (c *call) enter() error {
	who, err := c.Admins.Check(c.r.Context(), c.jar.Get(c.r, sessionCookie))
	if err != nil {
		return err
	}
	if c.snap, err = c.Shop.Load(c.r.Context()); err != nil {
		return err
	}
	c.who = who
	return nil
}

func (c *call) origin() audit.Origin { return web.ClientOrigin(c.r) }

func (c *call) now() time.Time { return web.Now(c.r) }

func (c *call) may(r admin.Right) bool { return admin.May(c.who, r) }

// read runs f in one snapshot of the database.
func (c *call) read(f func(tx *db.Tx) error) error { return c.DB.Read(c.r.Context(), f) }

// everywhere tells whether the administrator's permit is not narrowed to a website. What belongs to no website, or to
// all, is for these alone.
func (c *call) everywhere() bool { return c.permit.Websites() == nil }

// websites are those that the administrator may see.
func (c *call) websites() []*shop.Website {
	var all []*shop.Website
	for _, w := range c.snap.Websites() {
		if c.permit.Covers(w.ID) {
			all = append(all, w)
		}
	}
	return all
}

// websiteByCode finds a website that the administrator may see.
func (c *call) websiteByCode(code string) (*shop.Website, bool) {
	w, ok := c.snap.WebsiteByCode(code)
	if !ok || !c.permit.Covers(w.ID) {
		return nil, false
	}
	return w, true
}

func (c *call) websiteName(id int64) string {
	if w, ok := c.snap.Website(id); ok {
		return w.Name
	}
	return "–"
}

// number reads the {id} of the address. What is no number names nothing.
func (c *call) number() (int64, error) {
	id, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != c.r.PathValue("id") {
		return 0, fault.New(fault.NotFound, "not_found", "There is no such customer.")
	}
	return id, nil
}

// done ends a POST: a notice for the next page, and the way there.
func (c *call) done(to string, n web.Notice) error {
	c.jar.Tell(c.w, n)
	web.SeeOther(c.w, to)
	return nil
}

// toSignIn sends to the sign-in page, and from there back to the page that was asked for.
func (c *call) toSignIn() error {
	if !c.jar.Get(c.r, sessionCookie).IsEmpty() {
		c.jar.Drop(c.w, sessionCookie)
		c.jar.Tell(c.w, web.Notice{Key: "session_ended"})
	}
	back := c.r.URL.RequestURI()
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		back = c.pageOf(c.r.URL.Path)
	}
	to := loginPath
	if back = ownPage(back); back != "" && back != Root && back != customersPath {
		to += "?" + url.Values{"next": {back}}.Encode()
	}
	web.SeeOther(c.w, to)
	return nil
}

// pageOf is the page that an act belongs to: the nearest address above it that can be shown.
func (c *call) pageOf(address string) string {
	for ; address != Root && len(address) > 1; address = path.Dir(address) {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			return ""
		}
		if _, pattern := c.mux.Handler(r); pattern != Root+"/" && pattern != "" && !strings.HasSuffix(address, "/force-sign-in") {
			return address
		}
	}
	return ""
}

// ownPage returns a local address below Root to go on to after signing in, or "". Whatever a browser could take for
// another host, or for the way out again, is none.
func ownPage(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "", u.Fragment != "", len(address) > 2000:
		return ""
	case strings.ContainsAny(address, "\\\x00\r\n\t"), path.Clean(u.Path) != u.Path:
		return ""
	case u.Path != Root && !strings.HasPrefix(u.Path, Root+"/"):
		return ""
	case u.Path == loginPath, strings.HasPrefix(u.Path, loginPath+"/"), u.Path == logoutPath, strings.HasPrefix(u.Path, assetPrefix):
		return ""
	}
	return u.RequestURI()
}

// mendable returns the refusals of a form when all of them can be mended in that form; otherwise the error is the door's.
func mendable(err error) ([]*fault.Error, bool) {
	faults := fault.List(err)
	for _, f := range faults {
		if f.Kind != fault.Invalid && f.Kind != fault.Conflict {
			return nil, false
		}
	}
	return faults, len(faults) > 0
}
