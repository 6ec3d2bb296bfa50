// Package oracle asks an installation, from outside, whether its answers tell who is a customer: it sends the same requests
// for addresses that are customers' and for addresses that are nobody's, in random order over one connection, and compares
// every byte and the time that each answer took.
//
// It measures; it does not protect. What keeps the house silent is in packages recovery, signin and customer.
package oracle

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// MaxRequests is how many requests of each kind one run may send to one page, MinRequests how many say anything.
	MaxRequests = 100_000
	MinRequests = 20
	maxAnswer   = 1 << 20 // bytes
	timeout     = 30 * time.Second
)

// puzzleField is in the pages of a website that asks for a proof of work: they answer instead of what is asked about, and
// so many requests make a website ask.
const puzzleField = `name="ticket"`

// Page is one that sees an address before anybody has signed in.
type Page struct {
	Name string
	// Limit is the setting that answers instead of the page when it is reached; "" where there is none.
	Limit      string
	Optional   bool   // a store may not offer it
	show, post string // paths: the page itself, and where its form goes
	form       func(email, password string) url.Values
}

// Pages are all of them.
func Pages() []Page {
	return []Page{
		{"forgot", "customer/password/max_requests_per_client", false, "/customer/account/forgotpassword", "/customer/account/forgotpasswordpost",
			func(email, _ string) url.Values { return url.Values{"email": {email}} }},
		{"sign-in", "customer/signin/max_failures_per_client", false, "/customer/account/login", "/customer/account/loginpost",
			func(email, password string) url.Values {
				return url.Values{"login[username]": {email}, "login[password]": {password}}
			}},
		{"create", "", false, "/customer/account/create", "/customer/account/createpost",
			func(email, password string) url.Values {
				return url.Values{"firstname": {"Rekey"}, "lastname": {"Audit"}, "email": {email}, "password": {password}, "password_confirmation": {password}}
			}},
		{"sign-in-letter", "customer/password/max_requests_per_client", true, "/customer/account/loginbyletter", "/customer/account/loginbyletterpost",
			func(email, _ string) url.Values { return url.Values{"email": {email}} }},
	}
}

// Verdict is what came of one page.
type Verdict struct {
	Page          string   `json:"page"`
	Known         int      `json:"known"`          // answers for customers that were compared
	Unknown       int      `json:"unknown"`        // answers for nobody that were compared
	Limited       int      `json:"limited"`        // answers 429, 503 and of protection, which are left out
	AUC           float64  `json:"auc"`            // the chance that an answer for a customer took longer; 0.5 is silence
	Sigma         float64  `json:"sigma"`          // standard error of AUC for a silent installation
	Margin        float64  `json:"margin"`         // how far from 0.5 AUC may be
	MedianKnown   float64  `json:"median_known"`   // milliseconds
	MedianUnknown float64  `json:"median_unknown"` // milliseconds
	Differences   []string `json:"differences"`    // answers that one kind of address got and the other never did
	Measured      bool     `json:"measured"`       // enough answers were left to say anything
	Silent        bool     `json:"silent"`
}

// Asking is one run against one page.
type Asking struct {
	Base   string   // of the store view: https://shop.example, or below it
	Known  []string // addresses of customers
	Domain string   // of the addresses that are nobody's
	N      int      // requests for customers, and as many for nobody
	Pause  time.Duration
	Client *http.Client   // one that follows no redirect
	Done   func(sent int) // called after each request; nil for nobody
}

// Run asks a page, one request at a time. Errors: those of the connection, and answers that no store view gives.
func (a Asking) Run(ctx context.Context, p Page) (Verdict, error) {
	v := Verdict{Page: p.Name, Differences: []string{}}
	if err := a.open(ctx, p); err != nil {
		return v, err
	}
	order := make([]bool, 0, 2*a.N)
	for range a.N {
		order = append(order, true, false)
	}
	mathrand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	others := make([]string, len(a.Known))
	for i, like := range a.Known {
		others[i] = nobody(like, a.Domain)
	}
	var known, unknown []float64
	seen := shapes{map[string]int{}, map[string]int{}}
	turn := map[bool]int{}
	for i, customer := range order {
		one := turn[customer] % len(a.Known)
		turn[customer]++
		email, times, counts := others[one], &unknown, seen.nobody
		if customer {
			email, times, counts = a.Known[one], &known, seen.customers
		}
		took, answer, body, err := a.send(ctx, http.MethodPost, p.post, p.form(email, rand.Text()))
		if err != nil {
			return v, fmt.Errorf("request %d of %d: %w", i+1, len(order), err)
		}
		switch status := answer.StatusCode; {
		case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable, strings.Contains(body, puzzleField):
			v.Limited++
		case status == http.StatusOK, status == http.StatusSeeOther, status == http.StatusUnprocessableEntity:
			*times = append(*times, took.Seconds()*1000)
			counts[shapeOf(answer, body, email)]++
		default:
			return v, notAStore(p.post, answer)
		}
		if a.Done != nil {
			a.Done(i + 1)
		}
		if err := pause(ctx, a.Pause); err != nil {
			return v, err
		}
	}
	v.judge(known, unknown, seen)
	return v, nil
}

// Offers tells whether the installation has a page at all. Errors: those of the connection.
func (a Asking) Offers(ctx context.Context, p Page) (bool, error) {
	if !p.Optional {
		return true, nil
	}
	_, answer, _, err := a.send(ctx, http.MethodGet, p.show, nil)
	return err == nil && answer.StatusCode != http.StatusNotFound, err
}

// open looks at the page with the form: whatever is wrong with the address shows before anything is sent, and the
// connection is warm.
func (a Asking) open(ctx context.Context, p Page) error {
	_, answer, _, err := a.send(ctx, http.MethodGet, p.show, nil)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = notAStore(p.show, answer)
	}
	return err
}

func notAStore(path string, answer *http.Response) error {
	where := ""
	if to := answer.Header.Get("Location"); to != "" {
		where = " to " + to
	}
	return fmt.Errorf("%s answers %s%s: --url must be the base URL of a store view, as it is configured", path, answer.Status, where)
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// band is how far AUC may be from 0.5 when a thousand of each were sent, which is nearly four standard errors.
const band = 0.05

func (v *Verdict) judge(known, unknown []float64, seen shapes) {
	v.Known, v.Unknown = len(known), len(unknown)
	if v.Measured = v.Known >= MinRequests && v.Unknown >= MinRequests; !v.Measured {
		return
	}
	v.MedianKnown, v.MedianUnknown = median(known), median(unknown)
	v.AUC, v.Sigma = AUC(known, unknown)
	v.Margin = max(band, 3*v.Sigma) // with fewer requests, chance alone strays further
	v.Differences = append(v.Differences, seen.differences()...)
	v.Silent = len(v.Differences) == 0 && math.Abs(v.AUC-0.5) <= v.Margin
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// nobody makes an address that nobody has, of the same length if the domain leaves room. A customer's always gets the same
// one, so that a second run within the hour finds both with the same history: the limit of an address answers in other time
// than the letter does, and fresh addresses beside ones that were asked for before would look like a leak.
func nobody(like, domain string) string {
	const least, most = 12, 52 // 60 bits of chance; all that the sum has
	sum := sha256.Sum256([]byte("rekey audit oracle\x00" + like + "\x00" + domain))
	made := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
	return made[:min(max(len(like)-len(domain)-1, least), most)] + "@" + domain
}

// send speaks as a browser does, and reads the whole answer.
func (a Asking) send(ctx context.Context, method, path string, form url.Values) (took time.Duration, answer *http.Response, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	base, err := url.Parse(strings.TrimSuffix(a.Base, "/"))
	if err == nil && (base.Host == "" || base.Scheme != "https" && base.Scheme != "http") {
		err = errors.New("--url must be a base URL such as https://shop.example.com")
	}
	if err != nil {
		return 0, nil, "", err
	}
	request, err := http.NewRequestWithContext(ctx, method, base.String()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, "", err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", base.Scheme+"://"+base.Host)
	}
	request.Header.Set("User-Agent", "rekey audit oracle")
	began := time.Now()
	answer, err = a.Client.Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return time.Since(began), answer, string(read), err
}
