package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// version is the part of a path after which all endpoints stand.
const version = "V1"

// call is one request, its answer and the store view that it is for.
type call struct {
	*API
	w http.ResponseWriter
	r *http.Request

	stores *shop.Snapshot
	view   *shop.View
	named  bool // the request says which website it means, by a store code or by its host
	bearer token.Bearer
	who    caller       // on routes for the store's staff
	permit admin.Permit // for the right of the route

	mistyped error // a variable of a GraphQL operation is of another type than declared
}

func (c *call) serve() error {
	code, segments, ok := split(c.r.URL.EscapedPath())
	if !ok {
		return noSuchRoute()
	}
	route, err := c.find(segments)
	if err != nil {
		return err
	}
	if !route.page && !acceptsJSON(c.r) {
		return notAcceptable(c.r)
	}
	wanted, err := projection(c.r) // before anything is done
	if err != nil {
		return err
	}
	if err := c.enter(code); err != nil {
		return err
	}
	if route.self {
		err = c.identify(route.scope)
	} else if route.right != "" {
		err = c.authorize(route.right)
	}
	if err != nil {
		return err
	}
	answer, err := route.handle(c)
	if err != nil {
		return err
	}
	if shown, ok := answer.(document); ok {
		return shown.write(c.w)
	}
	if answer, err = wanted.of(answer); err != nil {
		return err
	}
	return render(c.w, http.StatusOK, answer)
}

// authorize finds out which administrator or integration calls and takes its permit for a right. Guests and customers read
// which resource they lack, as in Commerce.
func (c *call) authorize(right admin.Right) (err error) {
	c.who, err = c.caller(c.r)
	if fault.Is(err, fault.Unauthenticated) && !c.signed() {
		return notGranted(right)
	}
	if err != nil {
		return err
	}
	c.permit, err = c.who.allow(right)
	return err
}

// signed tells whether the request carries an OAuth 1.0a signature, whose refusal says what is wrong with it.
func (c *call) signed() bool {
	return token.IsSigned(c.r.Header.Get("Authorization"), c.r.URL.RawQuery)
}

// split takes a path apart: the store code, if there is one, and the rest, which begins with "V1" or is "schema". ok is
// false for what cannot be an address of the API.
func split(escaped string) (code string, segments []string, ok bool) {
	for part := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		part, err := url.PathUnescape(part)
		if err != nil || !utf8.ValidString(part) || strings.ContainsRune(part, 0) {
			return "", nil, false
		}
		segments = append(segments, part)
	}
	segments = segments[1:] // the Root that it is mounted at
	if len(segments) > 1 && segments[0] != version {
		code, segments = segments[0], segments[1:]
	}
	return code, segments, len(segments) > 0
}

// find looks the route up and keeps the values of its path. Errors: 404, and 405 with the methods that there are.
func (c *call) find(segments []string) (route, error) {
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var others []string
	for _, r := range c.routes {
		if !r.matches(segments) {
			continue
		}
		if r.method != method {
			others = append(others, r.method)
			if r.method == http.MethodGet {
				others = append(others, http.MethodHead)
			}
			continue
		}
		for i, s := range r.segments {
			if name, ok := parameter(s); ok {
				c.r.SetPathValue(name, segments[i])
			}
		}
		web.SetRoute(c.r, r.method+" "+strings.TrimSuffix(Root, "/")+r.path)
		return r, nil
	}
	if len(others) > 0 {
		return route{}, web.WrongMethod(strings.Join(others, ", "))
	}
	return route{}, noSuchRoute()
}

func (r route) matches(segments []string) bool {
	return slices.EqualFunc(r.segments, segments, func(pattern, given string) bool {
		name, anything := parameter(pattern)
		if name == "customerId" { // otherwise /customers/me would be one with every word behind /customers
			return given != "" && strings.Trim(given, "0123456789") == ""
		}
		return anything && given != "" || pattern == given
	})
}

func parameter(segment string) (name string, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	return strings.TrimSuffix(name, "}"), ok
}

// enter finds the store view: the one whose code is in the path; else the first of those on the request's host; else the
// first of the first website. "all" and "default" are Commerce's words for no choice, unless a view has that code.
func (c *call) enter(code string) (err error) {
	if c.stores, err = c.Shop.Load(c.r.Context()); err != nil {
		return err
	}
	if v, ok := c.stores.ViewByCode(code); ok {
		c.view, c.named = v, true
		return nil
	}
	if code != "" && code != "all" && code != "default" {
		return noSuchRoute()
	}
	views := c.stores.Views()
	if len(views) == 0 {
		return noSuchRoute()
	}
	here := slices.DeleteFunc(slices.Clone(views), func(v *shop.View) bool {
		at, _, ok := c.stores.ViewFor(c.r.Host, v.Path("/"))
		return !ok || at != v
	})
	if len(here) == 0 {
		c.view = views[0]
		return nil
	}
	c.view = here[0]
	// A host that several websites share names none of them.
	c.named = !slices.ContainsFunc(here, func(v *shop.View) bool { return v.WebsiteID != c.view.WebsiteID })
	return nil
}

// identify finds out whose token the request carries: the customer's, or that of an app to which the customer granted the
// scope; without a scope no app may, because the act is the customer's own. Where the request names a website, the token must be of it; where it
// names none, the token does, and the customer's own store view speaks. Errors: fault Unauthenticated, Forbidden.
func (c *call) identify(scope string) (err error) {
	c.bearer, err = c.Tokens.Check(c.r.Context(), bearerOf(c.r), token.CustomerToken, token.OAuthAccess)
	if fault.Is(err, fault.Unauthenticated) {
		return notAuthorized()
	}
	elsewhere := c.bearer.WebsiteID != c.view.WebsiteID
	if err == nil && elsewhere && c.named {
		err = notAuthorized() // before its scope is judged: another website's token is nothing here, and reads like nothing
	}
	if err == nil {
		err = c.granted(scope)
	}
	if err != nil || !elsewhere {
		return err
	}
	owner, err := c.owner()
	if err != nil {
		return err
	}
	c.named = true
	if v, ok := c.stores.View(owner.ViewID); ok && v.WebsiteID == owner.WebsiteID {
		c.view = v
		return nil
	}
	if views := c.stores.ViewsOf(owner.WebsiteID); len(views) > 0 {
		c.view = views[0]
	}
	return nil
}

// granted refuses an app what its customer did not grant, or what no app can be granted (RFC 6750 §3.1).
func (c *call) granted(scope string) error {
	if c.bearer.Has(scope) {
		return nil
	}
	text := "Only the customers themselves can do this, in their account at the store."
	if scope != "" {
		text = "The customer has not granted this app the scope " + scope + "."
	}
	return refuse(fault.Forbidden, keyScope, text, map[string]any{"scope": scope})
}

// owner is the customer that the token speaks for.
func (c *call) owner() (owner customer.Customer, err error) {
	err = c.DB.Read(c.r.Context(), func(tx *db.Tx) error {
		owner, err = customer.Find(c.r.Context(), tx, c.bearer.CustomerID)
		return err
	})
	return owner, err
}

// chooseWebsite reads the optional websiteId of a body. It must be the website that the request names otherwise; where it
// names none, this does. The refusal is about the website and says nothing about any customer.
func (c *call) chooseWebsite(in *fields) error {
	id, given := in.number("websiteId")
	if !given || id == c.view.WebsiteID {
		return nil
	}
	if views := c.stores.ViewsOf(id); !c.named && len(views) > 0 {
		c.view = views[0]
		return nil
	}
	return noSuchEntity("websiteId", id)
}

func (c *call) origin() audit.Origin { return web.ClientOrigin(c.r) }

// bearerOf is the token of the header Authorization. Like Commerce, whatever is no bearer token is the same as none.
func bearerOf(r *http.Request) secret.Text {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return secret.Text{}
	}
	scheme, value, _ := strings.Cut(strings.TrimSpace(headers[0]), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return secret.Text{}
	}
	return secret.NewText(strings.TrimSpace(value))
}
