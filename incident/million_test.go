package incident

import (
	"context"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

// crowd is how many customers the breach day of this test has; make breach gives it a million.
func crowd(t *testing.T) int {
	if text := os.Getenv("REKEY_BREACH_CUSTOMERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		t.Skip("a crowd takes some seconds")
	}
	return 3_000
}

// TestABreachDayOfACrowdBlocksNobody presses once for a whole website, and measures what others wait for meanwhile: a shopper who
// asks for a new password, and one who signs in, both of another website, through the same database. What they wait for is bounded
// by one batch, so that the crowd's size does not matter.
func TestABreachDayOfACrowdBlocksNobody(t *testing.T) {
	n := crowd(t)
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		w := build(t, dbtest.Open(t, engine))
		w.fill(n)
		if engine == dbtest.Postgres {
			// A real server's autovacuum does so; the tests' own has none, and would plan for tables as empty as they were.
			w.Write(func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "ANALYZE customers, sessions")
				return err
			})
		}
		bystander := w.Customer("nord_en", "anna@example.com")
		website := w.View("lune_en").Website.ID
		var cookie signin.Opened
		for _, c := range []string{"crowd.1@example.com"} {
			var err error
			if cookie, err = w.SignIn.SignIn(ctx, w.View("lune_en"), c, secret.NewText(fixture.Password), fixture.Origin); err != nil {
				t.Fatal(err)
			}
		}
		idle := w.waits(bystander, 300, nil)
		id := w.describe(Choice{Choice: customer.Choice{WebsiteIDs: []int64{website}}}, all, "").ID
		pressed := time.Now()
		if err := w.s.Start(ctx, operate, id, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		press := time.Since(pressed)
		if _, err := w.SignIn.Check(ctx, w.View("lune_en"), cookie.Secret); err == nil {
			t.Error("a session of the website lives after the press")
		}
		working, stop := context.WithCancel(ctx)
		defer stop()
		worked := make(chan error, 1)
		go func() { worked <- w.s.WorkOnce(working, id) }()
		busy := w.waits(bystander, 0, func() bool { return w.find(id).Phase != Writing })
		took := time.Since(pressed)
		if i := w.find(id); i.Treated != int64(n) || i.Passwords != int64(n) {
			t.Fatalf("%+v", i)
		}
		stop() // a million letters have their own pace
		<-worked
		t.Logf("%d customers: the press %v, all treated after %v (%.0f a second)", n, press.Round(time.Millisecond), took.Round(time.Second), float64(n)/took.Seconds())
		for _, what := range []string{"forgot", "sign-in"} {
			before, meanwhile := idle[what], busy[what]
			t.Logf("%-8s idle p50 %v p99 %v; meanwhile p50 %v p99 %v max %v of %d (p50 × %.1f)", what, at(before, 50), at(before, 99), at(meanwhile, 50),
				at(meanwhile, 99), meanwhile[len(meanwhile)-1].Round(time.Millisecond), len(meanwhile), float64(at(meanwhile, 50))/float64(at(before, 50)))
			// Not a time, which is the machine's: who had to wait for more than a batch and its rest would get through less often.
			if len(meanwhile) < n/treatBatch {
				t.Errorf("%s was answered %d times while %d batches were treated", what, len(meanwhile), n/treatBatch)
			}
		}
	})
}

// at is a percentile of waits, which are in order.
func at(waits []time.Duration, percent int) time.Duration {
	return waits[min(len(waits)-1, len(waits)*percent/100)].Round(10 * time.Microsecond)
}

// waits measures what a bystander waits for, n times or while something lasts.
func (w town) waits(c customer.Customer, n int, while func() bool) map[string][]time.Duration {
	w.T.Helper()
	waited := map[string][]time.Duration{}
	view := w.View("nord_en")
	for i := 0; n > 0 && i < n || n == 0 && (i%20 != 0 || while()); i++ {
		for what, act := range map[string]func() error{
			"forgot": func() error { return w.Recovery.Request(ctx, view, c.Email, fixture.Origin) },
			"sign-in": func() error {
				_, err := w.SignIn.SignIn(ctx, view, c.Email, secret.NewText(fixture.Password), fixture.Origin)
				return err
			},
		} {
			began := time.Now()
			if err := act(); err != nil {
				w.T.Fatal(err)
			}
			waited[what] = append(waited[what], time.Since(began))
		}
	}
	for _, all := range waited {
		slices.Sort(all)
	}
	return waited
}

// fill makes a crowd of one website at once, each with a session: what it holds is as real as what costs time.
func (w town) fill(n int) {
	w.T.Helper()
	model := w.Customer("lune_en", "model@example.com")
	w.Set("customer/password/max_requests_per_client", "0")
	w.Set("customer/password/min_time_between_password_reset_requests", "0")
	w.Set("customer/password/max_number_password_reset_requests", "0")
	const chunk = 10_000 // of one transaction, which has ten seconds
	for from := 1; from <= n; from += chunk {
		to := min(from+chunk-1, n)
		w.Write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `WITH RECURSIVE crowd (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM crowd WHERE i < $2)
				INSERT INTO customers (website_id, store_view_id, email, email_canon, firstname, lastname, search, password_hash, confirmed_at, created_at, updated_at)
				SELECT m.website_id, m.store_view_id, 'crowd.' || i || '@example.com', 'crowd.' || i || '@example.com', m.firstname, m.lastname,
					m.search || ' ' || i, m.password_hash, m.confirmed_at, m.created_at, m.updated_at FROM crowd CROSS JOIN customers m WHERE m.id = $3`, from, to, model.ID)
			return err
		})
	}
	w.Write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM customers WHERE id = $1", model.ID)
		return err
	})
	var ids []int64
	w.Read(func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, "SELECT id FROM customers WHERE website_id = $1", model.WebsiteID)
		ids, err = db.Collect(rows, err, func(row db.Scanner) (id int64, err error) {
			err = row.Scan(&id)
			return id, err
		})
		return err
	})
	for some := range slices.Chunk(ids, 100) {
		w.Write(func(ctx context.Context, tx *db.Tx) error {
			now, err := tx.Now(ctx)
			if err != nil {
				return err
			}
			args, rows := []any{db.Micro(now), db.Micro(now.Add(24 * time.Hour)), model.ViewID}, ""
			for i, id := range some {
				if i > 0 {
					rows += ", "
				}
				k := len(args)
				rows += "($" + strconv.Itoa(k+1) + ", $" + strconv.Itoa(k+2) + ", $" + strconv.Itoa(k+3) + ", $3, 1, $1, $1, $2)"
				session := db.NewID()
				args = append(args, session, session[:], id)
			}
			_, err = tx.Exec(ctx, "INSERT INTO sessions (id, secret_hash, customer_id, store_view_id, generation, created_at, last_seen_at, expires_at) VALUES "+rows, args...)
			return err
		})
	}
}
