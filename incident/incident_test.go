package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

var (
	ctx     = context.Background()
	operate = admin.CommandLine(admin.RunIncidents)
	all     = Measures{Sessions: true, Tokens: true, Password: true, Letter: true}
)

// town is a furnished house with the service of incidents.
type town struct {
	*fixture.House
	s *Service
}

func build(t *testing.T, d *db.DB) town { return around(fixture.Furnish(t, d)) }

func around(h *fixture.House) town {
	return town{h, &Service{DB: h.DB, Shop: h.Shop, Hasher: h.Hasher, Recovery: h.Recovery}}
}

// people makes n customers of a store view.
func (w town) people(view string, n int) (made []customer.Customer) {
	for i := range n {
		made = append(made, w.Customer(view, fmt.Sprintf("%s.%d@example.com", view, i)))
	}
	return made
}

func (w town) describe(c Choice, m Measures, list string) Incident {
	w.T.Helper()
	i, err := w.s.Describe(ctx, operate, "24 November", c, m, list, fixture.Origin)
	if err != nil {
		w.T.Fatal(err)
	}
	return i
}

func (w town) start(c Choice, m Measures, list string) int64 {
	w.T.Helper()
	i := w.describe(c, m, list)
	if err := w.s.Start(ctx, operate, i.ID, fixture.Origin); err != nil {
		w.T.Fatal(err)
	}
	return i.ID
}

func (w town) find(id int64) (i Incident) {
	w.T.Helper()
	w.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		i, err = Find(ctx, tx, operate, id)
		return err
	})
	return i
}

func (w town) report(id int64) (lines []Line) {
	w.T.Helper()
	w.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		lines, err = Report(ctx, tx, operate, id, 0, 100_000)
		return err
	})
	return lines
}

// steps works on an incident without waiting for the turns of letters, and stops after most batches (0: at the end).
func (w town) steps(id int64, most int) {
	w.T.Helper()
	holder := db.NewID()
	if taken, err := w.s.take(ctx, id, holder); err != nil || taken != id {
		w.T.Fatalf("taken %d, %v", taken, err)
	}
	for n := 1; ; n++ {
		more, wait, err := w.s.step(ctx, id, holder)
		if err != nil {
			w.T.Fatal(err)
		}
		if !more || n == most || wait > 0 {
			return
		}
	}
}

func (w town) signsIn(view string, c customer.Customer) bool {
	w.T.Helper()
	_, err := w.SignIn.SignIn(ctx, w.View(view), c.Email, secret.NewText(fixture.Password), fixture.Origin)
	if err != nil && !fault.Is(err, fault.Unauthenticated) {
		w.T.Fatal(err)
	}
	return err == nil
}

func TestBreachDayCoversExactlyWhoWasCounted(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		w := build(t, d)
		lune, nord := w.people("lune_en", 6), w.people("nord_en", 4)
		for _, c := range lune[:3] {
			w.signsIn("lune_en", c)
		}
		clock.Advance(48 * time.Hour)
		w.signsIn("lune_en", lune[3])
		website := w.View("lune_en").Website.ID
		recently, err := ParseChoice(clock.Now().Add(-24*time.Hour).Format(time.DateOnly), "", "", "", "")
		if err != nil {
			t.Fatal(err)
		}
		home, _ := customer.ParseNetwork("203.0.113.0/24")
		elsewhere, _ := customer.ParseNetwork("2001:db8::/32")
		for _, row := range []struct {
			why  string
			c    Choice
			list string
			want int
		}{
			{"everybody, of all websites", Choice{}, "", 10},
			{"one website", Choice{Choice: customer.Choice{WebsiteIDs: []int64{website}}}, "", 6},
			{"who was seen since a day", Choice{Choice: recently}, "", 1},
			{"whose last sign-in came from a network", Choice{Choice: customer.Choice{Network: home}}, "", 4},
			{"a network that nobody came from", Choice{Choice: customer.Choice{Network: elsewhere}}, "", 0},
			{"holders of tokens, of whom there are none", Choice{HoldsTokens: true}, "", 0},
			{"hashes that are not today's, of which there are none", Choice{OldHash: true}, "", 0},
			{"a list; unknown addresses count for nobody, and case does not matter", Choice{}, strings.ToUpper(nord[0].Email) + "\n\nnobody@example.com\r\n" + lune[1].Email, 2},
			{"a list, of one website", Choice{Choice: customer.Choice{WebsiteIDs: []int64{website}}}, nord[0].Email + "\n" + lune[1].Email, 1},
		} {
			i := w.describe(row.c, Measures{Sessions: true}, row.list)
			if n, err := w.s.Count(ctx, operate, i.ID); err != nil || n != int64(row.want) {
				t.Errorf("%s: %d counted (%v), want %d", row.why, n, err, row.want)
			}
			if err := w.s.Start(ctx, operate, i.ID, fixture.Origin); err != nil {
				t.Fatal(err)
			}
			w.Customer("lune_en", fmt.Sprintf("new.%d@example.com", i.ID)) // who comes later is not meant
			w.steps(i.ID, 0)
			if lines, done := w.report(i.ID), w.find(i.ID); len(lines) != row.want || done.Treated != int64(row.want) || done.State != Finished {
				t.Errorf("%s: treated %d, in the report %d, %s; want %d", row.why, done.Treated, len(lines), done.State, row.want)
			}
			w.Write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "DELETE FROM customers WHERE email_canon LIKE 'new.%'")
				return err
			})
		}
	})
}

func TestBreachDayResumesAfterACrash(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		one := build(t, a)
		two := around(fixture.Open(t, b))
		people := one.people("lune_en", treatBatch+20)
		for _, c := range people[:5] {
			one.signsIn("lune_en", c)
		}
		id := one.start(Choice{HoldsTokens: false, OldHash: false, Choice: customer.Choice{CreatedFrom: clock.Now().Add(-time.Hour)}}, all, "")
		one.steps(id, 3) // chosen, turned to treating, one batch treated; then the node dies
		if i := one.find(id); i.Treated != treatBatch {
			t.Fatalf("%d treated before the crash", i.Treated)
		}
		// A transaction that dies on its way leaves nothing.
		holder := db.NewID()
		clock.Advance(lease + time.Second)
		if taken, err := two.s.take(ctx, 0, holder); err != nil || taken != id {
			t.Fatalf("the other node took %d, %v", taken, err)
		}
		broken := errors.New("the machine stops here")
		err := two.DB.Write(ctx, func(tx *db.Tx) error {
			i, err := scan(tx.Row(ctx, "SELECT "+columns+" FROM incidents WHERE id = $1", id))
			if err != nil {
				return err
			}
			i.reached = people[treatBatch-1].ID
			if err := (&batch{Tx: tx, Incident: i, s: two.s, now: clock.Now()}).treat(ctx); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		// The first node comes back and believes to hold the lease still: it does nothing.
		if more, _, err := one.s.step(ctx, id, db.NewID()); err != nil || more {
			t.Fatalf("a node without the lease worked: %v", err)
		}
		for more := true; more; {
			if more, _, err = two.s.step(ctx, id, holder); err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Hour) // the letters' turns
		}
		i := one.find(id)
		if i.State != Finished || i.Treated != int64(len(people)) || i.Sessions != 5 || i.Passwords != int64(len(people)) || i.Written != int64(len(people)) {
			t.Fatalf("%+v", i)
		}
		var entries, letters int
		one.Read(func(ctx context.Context, tx *db.Tx) error {
			if err := tx.Row(ctx, "SELECT COUNT(*) FROM audit WHERE action = $1", audit.IncidentTreated).Scan(&entries); err != nil {
				return err
			}
			return tx.Row(ctx, "SELECT COUNT(*) FROM letters WHERE kind = $1", recovery.RequiredLetter).Scan(&letters)
		})
		if entries != len(people) || letters != len(people) {
			t.Fatalf("%d audit lines and %d letters for %d customers", entries, letters, len(people))
		}
	})
}

func TestAWholeWebsiteIsSignedOutAtOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, a, b *db.DB, clock *dbtest.Clock) {
		one := build(t, a)
		other := fixture.Open(t, b)
		c, neighbour := one.Customer("lune_en", "camille@example.com"), one.Customer("nord_en", "anna@example.com")
		open := func(view string, c customer.Customer) signin.Opened {
			s, err := one.SignIn.SignIn(ctx, one.View(view), c.Email, secret.NewText(fixture.Password), fixture.Origin)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		session, theirs := open("lune_en", c), open("nord_en", neighbour)
		token, err := one.Tokens.SignInCustomer(ctx, one.View("lune_en"), c.Email, secret.NewText(fixture.Password), "ERP", fixture.Origin)
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		one.start(Choice{Choice: customer.Choice{WebsiteIDs: []int64{c.WebsiteID}}}, Measures{Sessions: true, Tokens: true}, "")

		// No batch has run yet.
		if _, err := other.SignIn.Check(ctx, other.View("lune_en"), session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the session lives on the other node: %v", err)
		}
		if _, err := other.Tokens.Check(ctx, token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the token lives on the other node: %v", err)
		}
		if _, err := other.SignIn.Check(ctx, other.View("nord_en"), theirs.Secret); err != nil {
			t.Errorf("the neighbour was signed out: %v", err)
		}
		clock.Advance(time.Second)
		if again := open("lune_en", c); again.Secret.IsEmpty() {
			t.Error("nobody can sign in again")
		}
	})
}

func TestRequiredNewPasswordLooksLikeAWrongOne(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		w := build(t, d)
		c := w.Customer("lune_en", "camille@example.com")
		id := w.start(Choice{}, all, "")
		clock.Advance(time.Second) // what comes after the cut is good
		w.steps(id, 0)
		before := w.Hasher.Runs()
		_, void := w.SignIn.SignIn(ctx, w.View("lune_en"), c.Email, secret.NewText(fixture.Password), fixture.Origin)
		_, wrong := w.SignIn.SignIn(ctx, w.View("lune_en"), "nobody@example.com", secret.NewText("wrong-word"), fixture.Origin)
		if void == nil || void.Error() != wrong.Error() {
			t.Fatalf("%v; of an unknown address: %v", void, wrong)
		}
		if runs := w.Hasher.Runs() - before; runs != 2 {
			t.Errorf("%d hashes for two attempts", runs)
		}
		sent := w.Letters()
		if len(sent) != 1 || sent[0].Button == nil {
			t.Fatalf("letters: %+v", sent)
		}
		_, link, _ := strings.Cut(sent[0].Button.URL.Reveal(), "token=")
		reset := func(word string) error {
			_, err := w.Recovery.Complete(ctx, w.View("lune_en"), recovery.Reset{Link: secret.NewText(link), Password: secret.NewText(word),
				Confirm: secret.NewText(word)}, fixture.Origin)
			return err
		}
		if err := reset(fixture.Password); err == nil || !strings.Contains(err.Error(), "previous password") {
			t.Errorf("the password that was put out of use can be chosen again: %v", err)
		}
		if err := reset("quite-another-8"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.SignIn.SignIn(ctx, w.View("lune_en"), c.Email, secret.NewText("quite-another-8"), fixture.Origin); err != nil {
			t.Errorf("the new password does not sign in: %v", err)
		}
	})
}

func TestPaceOfLettersHolds(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		w := build(t, d)
		w.people("lune_en", 12)
		m := Measures{Letter: true, PerHour: 60} // one a minute
		id := w.start(Choice{}, m, "")
		written := func() int64 {
			w.steps(id, 0)
			clock.Advance(lease + time.Second) // nobody holds it for ever
			return w.find(id).Written
		}
		if n := written(); n != 1 {
			t.Fatalf("%d letters at once", n)
		}
		if n := written(); n != 1 {
			t.Fatalf("%d letters after 21 seconds", n)
		}
		clock.Advance(time.Minute)
		if n := written(); n != 2 {
			t.Fatalf("%d letters after a minute and a half", n)
		}
		if err := w.s.Pause(ctx, operate, id, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Hour)
		if taken, err := w.s.take(ctx, id, db.NewID()); err != nil || taken != 0 {
			t.Fatalf("a paused incident was taken: %v", err)
		}
		if err := w.s.Resume(ctx, operate, id, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if n := written(); n != 3 {
			t.Fatalf("%d letters: what the pause kept back came at once", n)
		}
		if err := w.s.Cancel(ctx, operate, id, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if i := w.find(id); i.State != Cancelled || i.Open() {
			t.Errorf("%+v", i)
		}
	})
}

// TestWhoHelpedThemselvesIsLeftAlone: between the start and a customer's turn the owner may have come back, and so may a thief.
func TestWhoHelpedThemselvesIsLeftAlone(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		w := build(t, d)
		owner, robbed, asking := w.Customer("lune_en", "owner@example.com"), w.Customer("lune_en", "robbed@example.com"), w.Customer("lune_en", "asking@example.com")
		open := func(c customer.Customer, word string) signin.Opened {
			t.Helper()
			s, err := w.SignIn.SignIn(ctx, w.View("lune_en"), c.Email, secret.NewText(word), fixture.Origin)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		lives := func(s signin.Opened) bool {
			_, err := w.SignIn.Check(ctx, w.View("lune_en"), s.Secret)
			return err == nil
		}
		open(owner, fixture.Password)
		id := w.start(Choice{Choice: customer.Choice{WebsiteIDs: []int64{owner.WebsiteID}}}, Measures{Sessions: true, Tokens: true, Password: true}, "")
		clock.Advance(time.Second)

		for _, c := range []customer.Customer{owner, asking} {
			if err := w.Recovery.Request(ctx, w.View("lune_en"), c.Email, fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		links := map[string]secret.Text{}
		for _, l := range w.Letters() {
			_, link, _ := strings.Cut(l.Button.URL.Reveal(), "token=")
			links[l.To.Email] = secret.NewText(link)
		}
		choose := func(c customer.Customer, word string) error {
			_, err := w.Recovery.Complete(ctx, w.View("lune_en"), recovery.Reset{Link: links[c.Email], Password: secret.NewText(word), Confirm: secret.NewText(word)}, fixture.Origin)
			return err
		}
		clock.Advance(time.Second)
		if err := choose(owner, "quite-another-8"); err != nil {
			t.Fatal(err)
		}
		back, thief := open(owner, "quite-another-8"), open(robbed, fixture.Password)

		w.steps(id, 0)
		if !lives(back) {
			t.Error("the owner, who had chosen a new password, was signed out again")
		}
		open(owner, "quite-another-8")
		if lives(thief) {
			t.Error("whoever signed in with the old password meanwhile is still signed in")
		}
		if w.signsIn("lune_en", robbed) {
			t.Error("the old password signs in")
		}
		if err := choose(asking, "quite-another-8"); err != nil {
			t.Errorf("the link that was asked for after the start: %v", err)
		}
		if i := w.find(id); i.Sessions != 1 || i.Passwords != 2 || i.Treated != 3 {
			t.Errorf("%+v", i)
		}
	})
}

// TestBreachDayBlocksNobody signs in between the batches of a running incident, through the same single writer.
func TestBreachDayBlocksNobody(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		w := build(t, d)
		people := w.people("lune_en", 3*treatBatch)
		bystander := w.Customer("nord_en", "anna@example.com")
		id := w.start(Choice{Choice: customer.Choice{WebsiteIDs: []int64{people[0].WebsiteID}}}, Measures{Sessions: true}, "")
		worked := make(chan error, 1)
		go func() { worked <- w.s.WorkOnce(ctx, id) }()
		signedIn := 0
		for i := w.find(id); i.State == Running; i = w.find(id) {
			if !w.signsIn("nord_en", bystander) {
				t.Fatal("a customer of another website cannot sign in")
			}
			signedIn++
		}
		if err := <-worked; err != nil {
			t.Fatal(err)
		}
		if i := w.find(id); i.Treated != int64(len(people)) {
			t.Fatalf("%+v", i)
		}
		t.Logf("%d sign-ins while %d customers were treated", signedIn, len(people))
	})
}

func TestDescriptionsAreRefusedInPlainWords(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := build(t, d)
		for _, row := range []struct {
			why, name string
			m         Measures
			list      string
			field     string
		}{
			{"a name is what the list shows", " ", all, "", "name"},
			{"a pace that no mail server has", "x", Measures{Letter: true, PerHour: MaxPerHour + 1}, "", "per_hour"},
			{"a sentence that is a letter", "x", Measures{Letter: true, Why: strings.Repeat("a", MaxWhy+1)}, "", "why"},
			{"a list of blank lines must not mean everybody", "x", all, " \n\n", "addresses"},
			{"a line that is no address", "x", all, "camille@example.com\nnobody", "addresses"},
		} {
			_, err := w.s.Describe(ctx, operate, row.name, Choice{}, row.m, row.list, fixture.Origin)
			if f, ok := fault.As(err); !ok || f.Field != row.field {
				t.Errorf("%s: %v", row.why, err)
			}
		}
		if _, err := w.s.Describe(ctx, admin.CommandLine(admin.ForceSignIn), "x", Choice{}, all, "", fixture.Origin); !fault.Is(err, fault.Forbidden) {
			t.Errorf("another permit: %v", err)
		}
		draft := w.describe(Choice{}, Measures{}, "")
		if err := w.s.Start(ctx, operate, draft.ID, fixture.Origin); !fault.Is(err, fault.Invalid) {
			t.Errorf("started with nothing to do: %v", err)
		}
		if err := w.s.Decide(ctx, operate, draft.ID, Measures{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("nothing decided: %v", err)
		}
		if err := w.s.Decide(ctx, operate, draft.ID, Measures{Sessions: true}); err != nil {
			t.Fatal(err)
		}
		if err := w.s.Start(ctx, operate, draft.ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if err := w.s.Start(ctx, operate, draft.ID, fixture.Origin); !fault.Is(err, fault.Conflict) {
			t.Errorf("started twice: %v", err)
		}
		if err := w.s.Decide(ctx, operate, draft.ID, all); !fault.Is(err, fault.Conflict) {
			t.Errorf("decided after the start: %v", err)
		}
	})
}

// TestOneIncidentKeepsNoOtherWaiting: letters may take days, and what is found meanwhile must not wait for the last of them.
func TestOneIncidentKeepsNoOtherWaiting(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := build(t, d)
		w.people("lune_en", 3)
		slow := w.start(Choice{}, Measures{Letter: true, PerHour: 1}, "")
		urgent := w.start(Choice{}, Measures{Sessions: true}, "")
		working, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		ended := make(chan struct{})
		go func() { w.s.Run(working, slog.New(slog.DiscardHandler)); close(ended) }()
		for w.find(urgent).State != Finished {
			if working.Err() != nil {
				t.Fatalf("the second incident waits: %+v", w.find(urgent))
			}
		}
		if i := w.find(slow); i.State != Running || i.Written > 1 {
			t.Errorf("the first is %+v", i)
		}
		stop()
		<-ended
	})
}
