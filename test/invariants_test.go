package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
)

// invariant is what must hold after every fault, however it fell: see docs/security.md. holds tells what does not.
type invariant struct {
	name, text string
	holds      func(h *crowdedHouse) (broken []string)
}

// The order matters: signing in, which I1 and I5 do, is itself counted.
var invariants = []invariant{
	{"I6", "counters are never below what was acknowledged", (*crowdedHouse).countsAreKept},
	{"I1", "the password that signs in is exactly one of the old and one acknowledged new", (*crowdedHouse).onePasswordEach},
	{"I2", "link used ⇔ password changed ⇔ line of the audit ⇔ one notice queued; key used ⇔ account ⇔ line ⇔ welcome", (*crowdedHouse).allOrNothing},
	{"I3", "no link and no key succeeds twice", (*crowdedHouse).nothingTwice},
	{"I4", "an acknowledged request has its letter, delivered or with the reason why not", (*crowdedHouse).lettersAreKept},
	{"I5", "no session and no token that was acknowledged as ended works, and those that were not do", (*crowdedHouse).endedStaysEnded},
}

// check settles what was in doubt and holds every invariant.
func (h *crowdedHouse) check() {
	h.t.Helper()
	for _, p := range h.patrons {
		p.settle()
	}
	for _, i := range invariants {
		for _, what := range i.holds(h) {
			h.t.Errorf("%s (%s): %s", i.name, i.text, what)
		}
	}
}

// countedFor bounds how far back the acknowledged requests are added up: the store itself forgets after an hour.
const countedFor = 50 * time.Minute

func (h *crowdedHouse) countsAreKept() (broken []string) {
	var asked, wrong int64
	for _, p := range h.patrons {
		for _, at := range p.asked {
			if time.Since(at) < countedFor {
				asked++
			}
		}
		wrong += int64(p.wrong)
	}
	if n := h.count(`SELECT COALESCE(SUM(LENGTH(hits)), 0) / 8 FROM limits`) + h.limited(); n < asked {
		broken = append(broken, fmt.Sprintf("%d letters were acknowledged, and %d are counted", asked, n))
	}
	if n := h.count(`SELECT COALESCE(SUM(failures), 0) FROM lockouts`); n < wrong {
		broken = append(broken, fmt.Sprintf("%d wrong passwords were answered, and %d are counted", wrong, n))
	}
	return broken
}

// limited is how many requests were acknowledged and brought no letter, because their address had had enough.
func (h *crowdedHouse) limited() int64 {
	h.t.Helper()
	return h.count(`SELECT COUNT(*) FROM audit WHERE outcome = 'limited'`)
}

func (h *crowdedHouse) onePasswordEach() (broken []string) {
	for _, p := range h.patrons {
		if p.former != "" {
			if token, _, v := p.try(p.former); v != answered || token != "" {
				broken = append(broken, fmt.Sprintf("%s signs in with %s, which %s has replaced", p.email, p.former, p.password))
			}
		}
		if token, got, v := p.try(p.password); v != answered || token == "" {
			broken = append(broken, fmt.Sprintf("%s does not sign in with %s: %d", p.email, p.password, got.status))
		}
	}
	return broken
}

func (h *crowdedHouse) allOrNothing() (broken []string) {
	links := h.byCustomer(`SELECT customer_id, COUNT(*) FROM links WHERE spent_at IS NOT NULL GROUP BY customer_id`)
	resets := h.byCustomer(`SELECT customer_id, COUNT(*) FROM audit WHERE action = 'password_reset.completed' GROUP BY customer_id`)
	changes := h.byCustomer(`SELECT customer_id, COUNT(*) FROM audit WHERE action = 'password.changed' GROUP BY customer_id`)
	notices := h.byCustomer(`SELECT customer_id, COUNT(*) FROM letters WHERE kind = 'password_changed' GROUP BY customer_id`)
	for _, p := range h.patrons {
		got := [4]int{links[p.id], resets[p.id], changes[p.id], notices[p.id]}
		if want := [4]int{p.resets, p.resets, p.changes, p.resets + p.changes}; got != want {
			broken = append(broken, fmt.Sprintf("%s: links used, resets and changes in the audit, notices: %v, want %v", p.email, got, want))
		}
	}
	created := h.byCustomer(`SELECT customer_id, COUNT(*) FROM audit WHERE action = 'customer.created' GROUP BY customer_id`)
	welcomes := h.byCustomer(`SELECT customer_id, COUNT(*) FROM letters WHERE kind = 'welcome' GROUP BY customer_id`)
	used := h.byCustomer(`SELECT c.id, COUNT(r.id) FROM customers c LEFT JOIN registrations r ON r.email_canon = c.email_canon AND r.used_at IS NOT NULL
		WHERE c.email LIKE 'newcomer%' GROUP BY c.id`)
	accounts := 0
	for _, p := range h.patrons {
		accounts += len(p.opened)
	}
	for id, n := range used {
		if n != 1 || created[id] != 1 || welcomes[id] != 1 {
			broken = append(broken, fmt.Sprintf("account %d: keys used, lines of the audit, welcomes: %d, %d, %d", id, n, created[id], welcomes[id]))
		}
	}
	keys := h.count(`SELECT COUNT(*) FROM registrations WHERE used_at IS NOT NULL`)
	if len(used) != accounts || keys != int64(accounts) {
		broken = append(broken, fmt.Sprintf("%d registrations were finished; %d keys are used and there are %d accounts", accounts, keys, len(used)))
	}
	return broken
}

// byCustomer reads a number for each customer.
func (h *crowdedHouse) byCustomer(query string) map[int64]int {
	h.t.Helper()
	found := map[int64]int{}
	ctx := context.Background()
	err := h.eye.Read(ctx, func(tx *db.Tx) error {
		clear(found)
		rows, err := tx.Query(ctx, query)
		_, err = db.Collect(rows, err, func(row db.Scanner) (struct{}, error) {
			var id int64
			var n int
			err := row.Scan(&id, &n)
			found[id] = n
			return struct{}{}, err
		})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return found
}

// lately is the end of a list: what was checked after every round before need not be checked after every round to come.
func lately[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }

func (h *crowdedHouse) nothingTwice() (broken []string) {
	for _, p := range h.patrons {
		for _, link := range lately(p.spent, 3) {
			got, _ := p.ask(p.guest("link", link).request("POST", "/customer/account/resetpasswordpost",
				url.Values{"password": {"once-more-1"}, "password_confirmation": {"once-more-1"}}))
			if got.status != http.StatusGone {
				broken = append(broken, fmt.Sprintf("a spent link of %s gives %d", p.email, got.status))
			}
		}
		for _, n := range lately(p.opened, 2) {
			got, _ := p.ask(n.request("POST", "/customer/account/confirmpost", url.Values{}))
			if got.status != http.StatusGone {
				broken = append(broken, fmt.Sprintf("the spent key of %s gives %d", n.email, got.status))
			}
		}
	}
	return broken
}

func (h *crowdedHouse) lettersAreKept() (broken []string) {
	var asked, maybe int64
	for _, p := range h.patrons {
		asked += int64(len(p.asked))
		maybe += int64(p.maybe)
	}
	// A registration without an answer is in nobody's books, so there is no upper bound for these.
	requests := h.count(`SELECT COUNT(*) FROM letters WHERE kind = 'forgot'`)
	if all := h.count(`SELECT COUNT(*) FROM letters WHERE kind IN ('forgot', 'registration')`); all+h.limited() < asked || requests > asked+maybe {
		broken = append(broken, fmt.Sprintf("%d requests were acknowledged and %d not answered; %d letters were queued, %d with a link", asked, maybe, all, requests))
	}
	type settled struct {
		id           db.ID
		state, words string
	}
	var ended []settled
	ctx := context.Background()
	since := h.checked.Add(-5 * time.Second)
	h.checked = time.Now()
	err := h.eye.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, state, last_words FROM letters WHERE settled_at > $1`, db.Micro(since))
		ended, err = db.Collect(rows, err, func(row db.Scanner) (l settled, err error) {
			err = row.Scan(&l.id, &l.state, &l.words)
			return l, err
		})
		return err
	})
	if err != nil {
		broken = append(broken, err.Error())
	}
	// In this order: the workers go on, and what they settle has come by then.
	came := map[string]bool{}
	for _, l := range h.post.all() {
		came[l.header.Get("Message-Id")] = true
	}
	for _, l := range ended {
		if !came["<"+l.id.String()+"@lune.example>"] && (l.state == "handed_over" || l.words == "") {
			broken = append(broken, fmt.Sprintf("letter %s ended as %s (%s), and did not come", l.id, l.state, l.words))
		}
	}
	return broken
}

func (h *crowdedHouse) endedStaysEnded() (broken []string) {
	for _, p := range h.patrons {
		for _, over := range lately(p.ended, 6) {
			if p.works(over) {
				broken = append(broken, fmt.Sprintf("a %s of %s that has ended works", over.kind, p.email))
			}
		}
		for _, alive := range []ticket{{"session", p.session}, {"token", p.token}} {
			if alive.value != "" && !p.works(alive) {
				broken = append(broken, fmt.Sprintf("the %s of %s does not work any more", alive.kind, p.email))
			}
		}
	}
	return broken
}

func (p *patron) works(t ticket) bool {
	var got answer
	if t.kind == "session" {
		got, _ = p.ask(p.guest("session", t.value).request("GET", "/customer/account", nil))
	} else {
		g := p.guest("", "")
		g.bearer = t.value
		got, _ = p.ask(g.request("GET", "/rest/V1/customers/me", nil))
	}
	return got.status == http.StatusOK && strings.Contains(got.body, p.email)
}
