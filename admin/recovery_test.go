package admin_test

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
)

const newWord = "quite-another-word-9"

// hourAndMore is past every limit of an hour.
const hourAndMore = 61 * time.Minute

// stranger asks from an address of their own.
var stranger = audit.Origin{IP: netip.MustParseAddr("198.51.100.9"), UserAgent: "curl/8"}

func (b *boss) ask(name string) error {
	return b.Admins.RequestReset(context.Background(), name, fixture.Origin)
}

// letters are those that would be sent of one kind, and the links in them.
func (b *boss) letters(kind string) (links []secret.Text, sent []mail.Content) {
	b.t.Helper()
	for _, l := range b.queued(kind) {
		c, err := b.Admins.Composers()[kind](context.Background(), l)
		if err != nil {
			continue
		}
		sent = append(sent, c)
		if c.Button != nil {
			_, link, _ := strings.Cut(c.Button.URL.Reveal(), "token=")
			links = append(links, secret.NewText(link))
		}
	}
	return links, sent
}

func (b *boss) queued(kind string) (all []mail.Letter) {
	b.t.Helper()
	b.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		all, _, err = mail.List(ctx, tx, mail.Query{State: mail.Queued, Kind: kind, Limit: 500})
		return err
	})
	return all
}

func (b *boss) complete(link secret.Text, word string) error {
	return b.Admins.CompleteReset(context.Background(), link, secret.NewText(word), secret.NewText(word), fixture.Origin)
}

// TestUnknownAdministratorLooksTheSame: the limit of a name included, and nobody is looked up.
func TestUnknownAdministratorLooksTheSame(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		for _, name := range []string{"ines", "INES@lune.test", "nobody", strings.Repeat("é", 200), "nobody@lune.test"} {
			for range 3 { // the second and third are within ten minutes of the first
				if err := b.ask(name); err != nil {
					t.Errorf("%.20s: %v", name, err)
				}
			}
		}
		if n := len(b.queued(admin.ResetLetter)); n != 5 {
			t.Fatalf("%d letters queued for five names that asked three times each", n)
		}
		links, sent := b.letters(admin.ResetLetter)
		if len(sent) != 1 || sent[0].To.Email != "ines@lune.test" || len(links) != 1 {
			t.Fatalf("%d letters are written: by name and by address she asked twice for one", len(sent))
		}
		if !strings.HasPrefix(sent[0].Button.URL.Reveal(), "https://lune.test/admin/login/new-password?token=") {
			t.Errorf("the link leads to %s", sent[0].Head.BaseURL)
		}
		b.Set(shop.AdminURL, "https://office.lune.test")
		if _, sent = b.letters(admin.ResetLetter); !strings.HasPrefix(sent[0].Button.URL.Reveal(), "https://office.lune.test/admin/") {
			t.Error("the link ignores Custom Admin URL")
		}
		if err := b.ask(" "); !fault.Is(err, fault.Invalid) {
			t.Errorf("no name: %v", err)
		}
		many := 0
		for range 60 {
			if err := b.Admins.RequestReset(context.Background(), "somebody", stranger); fault.Is(err, fault.Limited) {
				many++
			}
		}
		if many != 20 {
			t.Errorf("one client was told %d times of 60 to wait", many)
		}
	})
}

func TestAnAdministratorsLinkWorksOnce(t *testing.T) {
	dbtest.Two(t, func(t *testing.T, d, other *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		second := fixture.Open(t, other)
		for range 2 {
			if err := b.ask("ines"); err != nil {
				t.Fatal(err)
			}
			b.letters(admin.ResetLetter)
			clock.Advance(11 * time.Minute)
		}
		session := b.signIn()
		links, _ := b.letters(admin.ResetLetter)
		again, _ := b.letters(admin.ResetLetter)
		if len(links) != 2 || !links[0].Equal(again[0]) {
			t.Fatalf("%d links; a letter that is tried again must carry the same", len(links))
		}
		for _, refused := range []string{"", "short"} {
			if err := b.complete(links[0], refused); !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", refused, err)
			}
		}
		for range 3 { // opening it spends nothing
			if p, err := b.Admins.CheckReset(context.Background(), links[0], fixture.Origin); err != nil || p.Username() != "ines" {
				t.Fatal(err)
			}
		}
		var won atomic.Int64
		var racing sync.WaitGroup
		for i := range 50 {
			node := b.Admins
			if i%2 == 1 {
				node = second.Admins
			}
			racing.Go(func() {
				word := secret.NewText(newWord)
				switch err := node.CompleteReset(context.Background(), links[i/25], word, word, fixture.Origin); {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Expired) && !fault.Is(err, fault.Limited) && err != secret.ErrBusy:
					t.Error(err)
				}
			})
		}
		racing.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 50 posts of two links were accepted", won.Load())
		}
		if _, err := second.Admins.Check(context.Background(), session.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("a session outlives the new password: %v", err)
		}
		if _, err := b.Admins.SignIn(context.Background(), "ines", secret.NewText(bossWord), fixture.Origin); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the old password signs in: %v", err)
		}
		if _, err := b.Admins.SignIn(context.Background(), "ines", secret.NewText(newWord), fixture.Origin); err != nil {
			t.Errorf("the new password does not sign in: %v", err)
		}
		if n := len(b.queued(admin.ChangedLetter)); n != 1 {
			t.Errorf("%d notices", n)
		}
	})
}

func TestRecoveryLeavesTheSecondFactorInPlace(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		b.enrol()
		for range 6 { // locked, by her or by somebody else
			_, _ = b.Admins.SignIn(context.Background(), "ines", secret.NewText("wrong"), stranger)
		}
		if err := b.ask("ines@lune.test"); err != nil {
			t.Fatal(err)
		}
		links, sent := b.letters(admin.ResetLetter)
		if len(links) != 1 || !strings.Contains(strings.Join(sent[0].After, " "), "second factor stays") {
			t.Fatalf("letters: %+v", sent)
		}
		if err := b.complete(links[0], newWord); err != nil {
			t.Fatal(err)
		}
		half, err := b.Admins.SignIn(context.Background(), "ines", secret.NewText(newWord), fixture.Origin)
		if err != nil || !half.Half {
			t.Fatalf("the new password opens more than half a session: %v, %v", half.Half, err)
		}
		if _, err := b.Admins.Check(context.Background(), half.Secret); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("half a session opens the console: %v", err)
		}
		if _, err := b.Admins.SecondFactor(context.Background(), half.Secret, b.code(), fixture.Origin); err != nil {
			t.Errorf("the code of the old factor: %v", err)
		}
	})
}

func TestAdministratorsLinksEnd(t *testing.T) {
	for _, row := range []struct {
		why string
		end func(b *boss)
	}{
		{"its time is over", func(b *boss) { b.clock.Advance(2*time.Hour + time.Second) }},
		{"its time was over, and the clock stepped back", func(b *boss) {
			b.clock.Advance(2*time.Hour + time.Second)
			b.Write(func(ctx context.Context, tx *db.Tx) error {
				_, err := admin.EndExpired(ctx, tx, 100)
				return err
			})
			b.clock.Advance(-time.Hour)
		}},
		{"the operator set a password", func(b *boss) {
			if err := b.Admins.SetPassword(context.Background(), admin.CommandLine(admin.ManageAdmins), "ines", secret.NewText(newWord)); err != nil {
				b.t.Fatal(err)
			}
		}},
		{"the second factor was taken away", func(b *boss) {
			if err := b.Admins.ResetFactors(context.Background(), admin.CommandLine(admin.ManageAdmins), "ines", fixture.Origin); err != nil {
				b.t.Fatal(err)
			}
		}},
		{"she changed the password herself", func(b *boss) {
			who := b.signIn().Admin
			if _, err := b.Admins.ChangePassword(context.Background(), who, secret.NewText(bossWord), secret.NewText(newWord), secret.NewText(newWord), fixture.Origin); err != nil {
				b.t.Fatal(err)
			}
		}},
		{"the account is disabled", func(b *boss) {
			b.Write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE admins SET active = FALSE")
				return err
			})
		}},
	} {
		t.Run(row.why, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				b := hire(t, d, clock)
				if err := b.ask("ines"); err != nil {
					t.Fatal(err)
				}
				links, _ := b.letters(admin.ResetLetter)
				row.end(b)
				if err := b.complete(links[0], newWord); !fault.Is(err, fault.Expired) {
					t.Errorf("the link: %v", err)
				}
				if _, sent := b.letters(admin.ResetLetter); len(sent) != 0 {
					t.Error("the letter is still written")
				}
			})
		})
	}
}

func TestAdministratorsAreToldOfEachChange(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		b.enrol()
		operator := admin.CommandLine(admin.ManageAdmins)
		if err := b.Admins.SetPassword(context.Background(), operator, "ines", secret.NewText(newWord)); err != nil {
			t.Fatal(err)
		}
		if err := b.Admins.ResetFactors(context.Background(), operator, "ines", audit.Origin{}); err != nil {
			t.Fatal(err)
		}
		_, sent := b.letters(admin.ChangedLetter)
		var said []string
		for i := len(sent) - 1; i >= 0; i-- {
			said = append(said, sent[i].Paragraphs[0])
			if sent[i].To.Email != "ines@lune.test" || !strings.HasSuffix(sent[i].Button.URL.Reveal(), admin.ForgotPath) {
				t.Errorf("to %s", sent[i].To.Email)
			}
		}
		for i, want := range []string{"A second factor has been set up", "password of ines has been changed", "second factor of ines has been removed"} {
			if i >= len(said) || !strings.Contains(said[i], want) {
				t.Fatalf("told: %q; want %q", said, want)
			}
		}
	})
}

func TestNoTableHoldsAnAdministratorsLink(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		b := hire(t, d, clock)
		if err := b.ask("ines"); err != nil {
			t.Fatal(err)
		}
		links, _ := b.letters(admin.ResetLetter)
		b.Read(func(ctx context.Context, tx *db.Tx) error {
			var hash []byte
			if err := tx.Row(ctx, "SELECT secret_hash FROM admin_links").Scan(&hash); err != nil {
				return err
			}
			if strings.Contains(string(hash), links[0].Reveal()) || len(hash) != 32 {
				t.Error("the link rests in its table")
			}
			var n int
			err := tx.Row(ctx, "SELECT COUNT(*) FROM letters WHERE data LIKE '%' || $1 || '%'", links[0].Reveal()).Scan(&n)
			if n != 0 {
				t.Error("the link rests in the queue")
			}
			return err
		})
	})
}
