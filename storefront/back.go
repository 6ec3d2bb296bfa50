package storefront

import (
	"encoding/base64"
	"regexp"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

// returnCookie holds the page of the shop that sent the customer here, so that the way back survives a forgotten password and a new
// account. It names a page and acts for nobody.
const (
	returnCookie = "ask-return"
	returnLife   = time.Hour
)

// refererPath is how Adobe Commerce's themes say it: the page in base64 behind the path.
var refererPath = regexp.MustCompile(`(?i)^(` + account + `/(?:login|create))/referer/([^/]+)/?$`)

// cutReferer takes the page to go back to out of a path.
func cutReferer(path string) (rest, referer string) {
	if m := refererPath.FindStringSubmatch(path); m != nil {
		return strings.ToLower(m[1]), m[2]
	}
	return path, ""
}

// comes remembers where the shop sent the customer from. What is no page of this store view's shop is not remembered.
func (c *call) comes() {
	said := c.referer
	if all := c.r.URL.Query()["referer"]; said == "" && len(all) == 1 {
		said = all[0]
	}
	said = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(said, "=,~"))
	page, err := base64.RawURLEncoding.DecodeString(said)
	if err != nil {
		return
	}
	if to, ok := c.view.Back(string(page)); ok {
		c.back = to
		c.jar.Set(c.w, returnCookie, secret.NewText(base64.RawURLEncoding.EncodeToString([]byte(to))), returnLife)
	}
}

// wayBack is the page to go back to, or "". The cookie is the visitor's, so it is judged like what an address says.
func (c *call) wayBack() string {
	if c.back != "" {
		return c.back
	}
	page, err := base64.RawURLEncoding.DecodeString(c.jar.Get(c.r, returnCookie).Reveal())
	if err != nil {
		return ""
	}
	to, _ := c.view.Back(string(page))
	return to
}

// goBack leads to the page of the shop that sent the customer here, if one did.
func (c *call) goBack() bool {
	to := c.wayBack()
	if to == "" {
		return false
	}
	c.jar.Drop(c.w, returnCookie)
	web.SeeOther(c.w, to)
	return true
}
