package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// caller is a shopper or an app while something is broken: what fails is the answer, not the end of the test.
type caller struct {
	http *http.Client
	base string // of the node
	from string // the network that a trusted proxy names
}

var callers atomic.Uint32

func newCaller(base string) *caller {
	jar, _ := cookiejar.New(nil) // without options it cannot fail
	n := callers.Add(1)
	return &caller{base: base, from: fmt.Sprintf("10.%d.%d.%d", byte(n>>16), byte(n>>8), byte(n)), http: &http.Client{Jar: jar, Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 5 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// on is the same shopper with the same cookies at another node; cookies know no port.
func (c *caller) on(base string) *caller { return &caller{http: c.http, base: base, from: c.from} }

// reply is an answer, or status 0 when there was none.
type reply struct {
	status   int
	location string
	retry    string // Retry-After
	body     string
	took     time.Duration
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s after %v", r.status, r.location, r.took.Round(time.Millisecond))
}

// signedOut tells that the store wants to know who this is.
func (r reply) signedOut() bool { return strings.Contains(r.location, "/customer/account/login") }

func (c *caller) do(r *http.Request) reply {
	begun := time.Now()
	response, err := c.http.Do(r)
	if err != nil {
		return reply{took: time.Since(begun), body: err.Error()}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	got := reply{response.StatusCode, response.Header.Get("Location"), response.Header.Get("Retry-After"), string(text), time.Since(begun)}
	if err != nil {
		got.status = 0 // half an answer is none
	}
	return got
}

func (c *caller) send(method, path, kind, body string, more ...string) reply {
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		return reply{body: err.Error()}
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("X-Forwarded-For", c.from)
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	return c.do(r)
}

func (c *caller) get(path string, more ...string) reply {
	return c.send(http.MethodGet, path, "", "", more...)
}

// form sends a form.
func (c *caller) form(path string, pairs ...string) reply {
	fields := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	return c.send(http.MethodPost, path, "application/x-www-form-urlencoded", fields.Encode())
}

// forgot asks for a link.
func (c *caller) forgot(email string) reply {
	return c.form("/customer/account/forgotpasswordpost", "email", email)
}

// open opens a link and gives the page that it ends on.
func (c *caller) open(link string) reply {
	u, err := url.Parse(link)
	if err != nil {
		return reply{body: err.Error()}
	}
	got := c.get(u.RequestURI())
	if got.status == http.StatusSeeOther {
		return c.get("/customer/account/createpassword")
	}
	return got
}

// recover opens a link and sets a password; the reply is that of the first step that failed, or of the last.
func (c *caller) recover(link, password string) reply {
	if got := c.open(link); got.status != http.StatusOK {
		return got
	}
	return c.form("/customer/account/resetpasswordpost", "password", password, "password_confirmation", password)
}

// signIn signs in on the storefront.
func (c *caller) signIn(email, password string) reply {
	return c.form("/customer/account/loginpost", "login[username]", email, "login[password]", password)
}

func (c *caller) account() reply { return c.get("/customer/account") }

// token signs in over the web API.
func (c *caller) token(email, password string) (token string, got reply) {
	body, _ := json.Marshal(map[string]string{"username": email, "password": password}) // two texts
	got = c.send(http.MethodPost, "/rest/V1/integration/customer/token", "application/json", string(body))
	if got.status == http.StatusOK {
		if err := json.Unmarshal([]byte(got.body), &token); err != nil {
			got.status = 0
		}
	}
	return token, got
}

func (c *caller) me(token string) reply {
	return c.get("/rest/V1/customers/me", "Authorization", "Bearer "+token)
}

// revoke ends every token of the one that holds this one.
func (c *caller) revoke(token string) reply {
	return c.send(http.MethodPost, "/rest/V1/integration/customer/revoke-customer-token", "application/json", "", "Authorization", "Bearer "+token)
}

// worked tells whether an answer acknowledged what was asked: the step that follows, and not a failure.
func (r reply) worked() bool {
	return r.status == http.StatusSeeOther && !bytes.Contains([]byte(r.location), []byte("error"))
}

// mustURL reads an address that the program has printed.
func mustURL(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}
