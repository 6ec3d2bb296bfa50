package test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// crowd is how many want the same thing at the same moment.
const crowd = 50

// draining bounds how long a queue takes that nobody hinders.
const draining = 30 * time.Second

// prize is something that is there once. prepare readies the requests of a crowd that all want it; what it returns judges
// their answers.
type prize struct {
	why     string
	prepare func(a *arena, email string) (crowded []*http.Request, judge func(answers []answer))
}

// TestOneOfManyWins lets fifty requests take one and the same thing at once, over two nodes. One gets it, and what is there
// afterwards is that one's doing.
func TestOneOfManyWins(t *testing.T) {
	eachArena(t, func(t *testing.T, a *arena) {
		a.unlimited()
		a.set(map[string]string{"customer/signin_by_letter/enabled": "1"})
		a.unlimited("customer/password/lockout_failures") // each password of the crowd is tried afterwards
		app, word := a.app("--confidential")
		for round := range rounds(t, 1, 10) {
			for i, p := range []prize{
				{"a link, on the page", linkOnThePage},
				{"a link, by the web API", linkByTheAPI},
				{"five links of one customer", fiveLinks},
				{"a link and the code beside it", linkAndCode},
				{"a code to sign in", codeToSignIn},
				{"a confirmation key, on the page and by the web API", confirmationKey},
				{"a new address", newAddress},
				{"a customer's yes to an app", yesToAnApp(app)},
				{"a code of an app", codeOfAnApp(app, word)},
				{"a refresh token: all agree on its one successor", refreshToken(app, word)},
				{"a verifier of an integration", verifier},
			} {
				a.row(fmt.Sprintf("%s/%d", p.why, round), func() {
					email := fmt.Sprintf("crowd%03d.%d@example.com", round, i)
					requests, judge := p.prepare(a, email)
					judge(a.volley(requests))
				})
			}
		}
		a.noDeadlocks()
	})
}

// noDeadlocks holds that nobody waited for another in a circle. PostgreSQL ends such a wait after a second, and the request is
// done again: right in the end, but a second late, and with a connection held meanwhile.
func (a *arena) noDeadlocks() {
	a.t.Helper()
	if len(a.nodes) == 1 {
		return // SQLite has one writer
	}
	if n := a.count(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); n > 0 {
		a.t.Errorf("%d deadlocks", n)
	}
}

// oneOf holds that one of the crowd won and that the others read so. A node that is too busy may say that nothing was done, and
// to come again; most must have been judged all the same.
func (a *arena) oneOf(answers []answer, won, lost []string) {
	a.t.Helper()
	counts := tally(answers)
	winners, losers := 0, 0
	for _, key := range won {
		winners += counts[key]
	}
	for _, key := range lost {
		losers += counts[key]
	}
	if winners != 1 || losers+counts["503"] != len(answers)-1 || losers < len(answers)/2 {
		a.t.Fatalf("the crowd was answered %v; want one of %q, and %q for the others", counts, won, lost)
	}
}

// link asks for a letter and gives the secret of its link.
func (a *arena) link(email string, n int) string {
	a.t.Helper()
	g := newGuest(luneHost)
	if got := a.does(g, "POST", "/customer/account/forgotpasswordpost", url.Values{"email": {email}}); got.status != http.StatusSeeOther {
		a.t.Fatalf("asking for a link gives %d", got.status)
	}
	return a.post.wait(email, n).secret()
}

func candidate(i int) string { return fmt.Sprintf("candidate-%02d", i) }

// open moves a mailed secret into the guest's cookies, as following the link does.
func (a *arena) open(g *guest, page, secret string) {
	a.t.Helper()
	if got := a.does(g, "GET", "/customer/account/"+page+"?token="+secret, nil); got.status != http.StatusSeeOther || len(g.cookies) == 0 {
		a.t.Fatalf("opening a link gives %d", got.status)
	}
}

func linkOnThePage(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	a.customer(email, "Camille", "Durand", oldPassword)
	g := newGuest(luneHost)
	a.open(g, "createpassword", a.link(email, 1))
	for i := range crowd {
		crowded = append(crowded, g.request("POST", "/customer/account/resetpasswordpost",
			url.Values{"password": {candidate(i)}, "password_confirmation": {candidate(i)}}))
	}
	return crowded, func(answers []answer) { a.onePassword(email, answers, "303 /customer/account/login", "410") }
}

func linkByTheAPI(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	a.customer(email, "Camille", "Durand", oldPassword)
	secret := a.link(email, 1)
	for i := range crowd {
		crowded = append(crowded, resetByAPI(email, secret, candidate(i)))
	}
	return crowded, func(answers []answer) { a.onePassword(email, answers, "200", "400") }
}

func resetByAPI(email, secret, password string) *http.Request {
	return newGuest(luneHost).request("POST", "/rest/V1/customers/resetPassword",
		map[string]string{"email": email, "resetToken": secret, "newPassword": password})
}

func fiveLinks(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	a.customer(email, "Camille", "Durand", oldPassword)
	var secrets []string
	for n := range 5 {
		secrets = append(secrets, a.link(email, n+1))
	}
	for i := range crowd {
		crowded = append(crowded, resetByAPI(email, secrets[i%len(secrets)], candidate(i)))
	}
	return crowded, func(answers []answer) { a.onePassword(email, answers, "200", "400") }
}

func linkAndCode(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	a.customer(email, "Camille", "Durand", oldPassword)
	asker, elsewhere := newGuest(luneHost), newGuest(luneHost)
	a.does(asker, "POST", "/customer/account/forgotpasswordpost", url.Values{"email": {email}})
	letter := a.post.wait(email, 1)
	if got := a.does(asker, "POST", "/customer/account/resetcodepost", url.Values{"code": {letter.code()}}); got.status != http.StatusSeeOther {
		a.t.Fatalf("typing the code gives %d", got.status)
	}
	a.open(elsewhere, "createpassword", letter.secret())
	for i := range crowd {
		g := []*guest{asker, elsewhere}[i/2%2] // each of them at either node
		crowded = append(crowded, g.request("POST", "/customer/account/resetpasswordpost",
			url.Values{"password": {candidate(i)}, "password_confirmation": {candidate(i)}}))
	}
	return crowded, func(answers []answer) { a.onePassword(email, answers, "303 /customer/account/login", "410") }
}

func codeToSignIn(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	a.customer(email, "Camille", "Durand", oldPassword)
	g := newGuest(luneHost)
	a.does(g, "POST", "/customer/account/loginbyletterpost", url.Values{"email": {email}})
	code := a.post.wait(email, 1).code()
	for range crowd {
		crowded = append(crowded, g.request("POST", "/customer/account/logincodepost", url.Values{"code": {code}}))
	}
	return crowded, func(answers []answer) {
		a.oneOf(answers, []string{"303 /customer/account"}, []string{"422"})
		if n := a.count(`SELECT COUNT(*) FROM sessions s JOIN customers c ON c.id = s.customer_id WHERE c.email = $1`, email); n != 1 {
			a.t.Errorf("%d sessions were begun", n)
		}
	}
}

// onePassword holds that one of the crowd has set the password: only that one signs in, and its owner was told once.
func (a *arena) onePassword(email string, answers []answer, won, lost string) {
	a.t.Helper()
	a.oneOf(answers, []string{won}, []string{lost})
	for i, got := range answers {
		status := a.tries(luneHost, email, candidate(i)).status
		if winner := strings.HasPrefix(won, fmt.Sprint(got.status)); (status == http.StatusOK) != winner {
			a.t.Errorf("password %d was answered %d, and signing in with it gives %d", i, got.status, status)
		}
	}
	if status := a.tries(luneHost, email, oldPassword).status; status != http.StatusUnauthorized {
		a.t.Errorf("the old password gives %d", status)
	}
	a.told(email, "has been changed")
}

// tries signs in over the web API.
func (a *arena) tries(host, email, password string) answer {
	a.t.Helper()
	return a.does(newGuest(host), "POST", "/rest/V1/integration/customer/token", map[string]string{"username": email, "password": password})
}

// told holds that one letter with these words in its subject has come.
func (a *arena) told(email, words string) {
	a.t.Helper()
	a.queueIsEmpty(draining)
	n := 0
	for _, l := range a.post.letters(email) {
		if strings.Contains(l.subject, words) {
			n++
		}
	}
	if n != 1 {
		a.t.Errorf("%d letters %q came, want 1", n, words)
	}
}

var mailedSecret = regexp.MustCompile(`/customer/account/[a-z]+\?token=([A-Za-z0-9_-]{43})`)

// mailed is the secret of whatever link the nth letter to somebody holds.
func (a *arena) mailed(email string, n int) string {
	a.t.Helper()
	found := mailedSecret.FindStringSubmatch(a.post.wait(email, n).text)
	if found == nil {
		a.t.Fatalf("letter %d to %s holds no link", n, email)
	}
	return found[1]
}

func confirmationKey(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	g := newGuest(luneHost)
	a.does(g, "POST", "/customer/account/createpost", url.Values{"firstname": {"Noor"}, "lastname": {"Haddad"}, "email": {email},
		"password": {newPassword}, "password_confirmation": {newPassword}})
	key := a.mailed(email, 1)
	a.open(g, "confirm", key)
	for i := range crowd {
		if i%5 > 0 { // one password may be tried ten times an hour, and no oftener
			crowded = append(crowded, g.request("POST", "/customer/account/confirmpost", url.Values{}))
			continue
		}
		crowded = append(crowded, newGuest(luneHost).request("PUT", "/rest/V1/customers/me/activate",
			map[string]string{"confirmationKey": key, "password": newPassword}))
	}
	return crowded, func(answers []answer) {
		a.oneOf(answers, []string{"303 /customer/account", "200"}, []string{"410", "400"})
		if n := a.count(`SELECT COUNT(*) FROM customers WHERE email = $1`, email); n != 1 {
			a.t.Errorf("%d accounts were made", n)
		}
		if status := a.tries(luneHost, email, newPassword).status; status != http.StatusOK {
			a.t.Errorf("signing in to the new account gives %d", status)
		}
		a.told(email, "Welcome to")
	}
}

func newAddress(a *arena, email string) (crowded []*http.Request, judge func([]answer)) {
	a.customer(email, "Camille", "Durand", oldPassword)
	g := a.signedIn(luneHost, email, oldPassword)
	to := "new." + email
	a.does(g, "POST", "/customer/account/editemailpost", url.Values{"email": {to}, "current_password": {oldPassword}})
	a.open(g, "confirmemail", a.mailed(to, 1))
	for range crowd {
		crowded = append(crowded, g.request("POST", "/customer/account/confirmemailpost", url.Values{}))
	}
	return crowded, func(answers []answer) {
		a.oneOf(answers, []string{"303 /customer/account/login"}, []string{"410"})
		if old, now := a.tries(luneHost, email, oldPassword).status, a.tries(luneHost, to, oldPassword).status; old != 401 || now != 200 {
			a.t.Errorf("the former address gives %d, the new one %d", old, now)
		}
		a.told(email, "has been changed")
	}
}

// signedIn is a browser of a customer.
func (a *arena) signedIn(host, email, password string) *guest {
	a.t.Helper()
	g := newGuest(host)
	got := a.does(g, "POST", "/customer/account/loginpost", url.Values{"login[username]": {email}, "login[password]": {password}})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/customer/account" {
		a.t.Fatalf("signing in gives %d", got.status)
	}
	return g
}
