package incident

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

const (
	// lookEvery is how often a node without work looks for some, and the longest that one at work waits for a letter's turn.
	lookEvery = 2 * time.Second
	// lease is how long a node may be silent before another takes its incident over. Each batch renews it.
	lease = 20 * time.Second
	// longestRest bounds the rest after a batch that took long.
	longestRest = 250 * time.Millisecond
	// chooseBatch, treatBatch and writeBatch are how many customers one transaction covers. They are what somebody who
	// signs in meanwhile may have to wait for.
	chooseBatch = 2_000
	treatBatch  = 100
	writeBatch  = 100
)

// Run works on incidents until ctx ends, on all that there are: one whose letters take days keeps none of the others waiting. Every
// node runs it; leases keep them from doing the same.
func (s *Service) Run(ctx context.Context, log *slog.Logger) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var working sync.WaitGroup
	defer working.Wait()
	stopped := func(err error) {
		if err != nil && ctx.Err() == nil {
			log.Warn("an incident stopped; it is gone on with in a moment", "error", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		for more := true; more; {
			holder := db.NewID()
			id, err := s.take(ctx, 0, holder)
			stopped(err)
			if more = err == nil && id != 0; more {
				working.Go(func() { stopped(s.work(ctx, id, holder)) })
			}
		}
		pause.Reset(lookEvery)
	}
}

// WorkOnce takes an incident that waits for a node (a certain one, or any for 0) and works on it until it ends, is paused
// or has been taken over. Without one it returns at once.
func (s *Service) WorkOnce(ctx context.Context, id int64) error {
	holder := db.NewID()
	id, err := s.take(ctx, id, holder)
	if err != nil || id == 0 {
		return err
	}
	return s.work(ctx, id, holder)
}

func (s *Service) work(ctx context.Context, id int64, holder db.ID) error {
	for {
		more, next, err := s.oneBatch(ctx, id, holder)
		if !more || err != nil {
			return err
		}
		if err := rest(ctx, min(next, lookEvery)); err != nil {
			return err
		}
	}
}

// oneBatch is a step and the rest after it: as long as a batch took, the database is everybody else's. The incidents of a node take turns.
func (s *Service) oneBatch(ctx context.Context, id int64, holder db.ID) (more bool, next time.Duration, err error) {
	s.turns.Lock()
	defer s.turns.Unlock()
	began := time.Now()
	if more, next, err = s.step(ctx, id, holder); !more || err != nil {
		return false, 0, err
	}
	pause := min(time.Since(began), longestRest)
	return true, max(0, next-pause), rest(ctx, pause)
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// take claims a running incident that no living node holds; 0 for none.
func (s *Service) take(ctx context.Context, id int64, holder db.ID) (taken int64, err error) {
	waiting := "SELECT id FROM incidents WHERE ended_at IS NULL AND state = $1 AND (lease_until IS NULL OR lease_until < $2) AND ($3 = 0 OR id = $3) ORDER BY id LIMIT 1"
	look := func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		err = tx.Row(ctx, waiting, string(Running), db.Micro(now), id).Scan(&taken)
		if db.IsNoRows(err) {
			return nil
		}
		return err
	}
	if err := s.DB.Read(ctx, look); err != nil || taken == 0 {
		return 0, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE incidents SET lease = $2, lease_until = $3, paced_at = $5,
			paced_from = CASE phase WHEN 'treating' THEN treated WHEN 'writing' THEN written ELSE reached END WHERE id = $1 AND state = $4
			AND (lease_until IS NULL OR lease_until < $5)`, taken, holder, db.Micro(now.Add(lease)), string(Running), db.Micro(now))
		if err == nil && n == 0 {
			taken = 0 // another node was faster
		}
		return err
	})
	return taken, err
}

// batch is one transaction of work: the incident as it stands, held under the lease.
type batch struct {
	*db.Tx
	Incident
	s          *Service
	now        time.Time
	nextLetter time.Time
}

// step does one batch. more is false when there is nothing left for this node; wait is until the next letter's turn.
func (s *Service) step(ctx context.Context, id int64, holder db.ID) (more bool, wait time.Duration, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		more, wait = false, 0
		b := batch{Tx: tx, s: s}
		if b.now, err = tx.Now(ctx); err != nil {
			return err
		}
		// The row stays locked until the commit: whoever pauses, cancels or takes over waits for the batch.
		err := tx.Row(ctx, `UPDATE incidents SET lease_until = $3 WHERE id = $1 AND lease = $2 AND state = $4
			RETURNING next_letter_at`, id, holder, db.Micro(b.now.Add(lease)), string(Running)).Scan(db.IntoTime(&b.nextLetter))
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if b.Incident, err = scan(tx.Row(ctx, "SELECT "+columns+" FROM incidents WHERE id = $1", id)); err != nil {
			return err
		}
		more = true
		switch b.Phase {
		case Choosing:
			return b.choose(ctx)
		case Treating:
			return b.treat(ctx)
		case Writing:
			wait, err = b.write(ctx)
			return err
		}
		more = false
		return b.finish(ctx)
	})
	return more, wait, err
}

// enter begins a phase, from the first customer.
func (b *batch) enter(ctx context.Context, p Phase) error {
	if p == Writing && !b.Measures.Letter {
		p = Over
	}
	_, err := b.Exec(ctx, "UPDATE incidents SET phase = $2, reached = 0, paced_at = $3, paced_from = 0 WHERE id = $1",
		b.ID, string(p), db.Micro(b.now))
	return err
}

// choose looks at some customers and writes down those who are meant.
func (b *batch) choose(ctx context.Context) error {
	ids, reached, err := customer.Chosen(ctx, b.Tx, b.s.whom(b.Incident, b.now), b.reached, b.ceiling, chooseBatch)
	if err != nil {
		return err
	}
	if reached == 0 {
		return b.enter(ctx, Treating)
	}
	if err := inserts(ctx, b.Tx, "INSERT INTO incident_customers (incident_id, customer_id) VALUES ", b.ID, ids); err != nil {
		return err
	}
	_, err = b.Exec(ctx, "UPDATE incidents SET reached = $2, chosen = chosen + $3 WHERE id = $1", b.ID, reached, len(ids))
	return err
}

// next are the customers of the report that follow the one reached.
func (b *batch) next(ctx context.Context, cond string, most int) ([]int64, error) {
	rows, err := b.Query(ctx, "SELECT customer_id FROM incident_customers WHERE incident_id = $1 AND customer_id > $2"+cond+
		" ORDER BY customer_id LIMIT "+strconv.Itoa(most), b.ID, b.reached)
	return db.Collect(rows, err, func(row db.Scanner) (id int64, err error) {
		err = row.Scan(&id)
		return id, err
	})
}

// treat does to some what the measures say, in a few statements for all of them.
func (b *batch) treat(ctx context.Context) error {
	ids, err := b.next(ctx, "", treatBatch)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return b.enter(ctx, Writing)
	}
	found, err := customer.FindMany(ctx, b.Tx, ids)
	if err != nil {
		return err
	}
	lines, err := b.end(ctx, found)
	if err != nil {
		return err
	}
	if err := b.keep(ctx, ids, lines); err != nil {
		return err
	}
	var sum Line
	var passwords int64
	var entries []audit.Entry
	for _, c := range found {
		l := lines[c.ID]
		sum.Sessions += l.Sessions
		sum.Tokens += l.Tokens
		e := b.entry(audit.IncidentTreated, audit.Actor{Kind: audit.System, Name: b.MadeBy}, audit.Origin{})
		e.CustomerID, e.WebsiteID, e.Subject = c.ID, c.WebsiteID, c.Address().Masked()
		e.Detail["sessions"], e.Detail["tokens"] = strconv.FormatInt(l.Sessions, 10), strconv.FormatInt(l.Tokens, 10)
		if l.Password {
			passwords++
			e.Detail["password"] = "void"
		}
		entries = append(entries, e)
	}
	if err := audit.RecordAll(ctx, b.Tx, entries); err != nil {
		return err
	}
	_, err = b.Exec(ctx, `UPDATE incidents SET reached = $2, treated = treated + $3, sessions = sessions + $4, tokens = tokens + $5,
		passwords = passwords + $6 WHERE id = $1`, b.ID, ids[len(ids)-1], len(ids), sum.Sessions, sum.Tokens, passwords)
	return err
}

// end ends what the measures name, and tells what that was. Where Start has cut whole websites off, what was issued before is
// dead already; then sessions and tokens end here only with a password that was still good to begin some until now.
func (b *batch) end(ctx context.Context, found []customer.Customer) (lines map[int64]Line, err error) {
	cut := b.s.whom(b.Incident, b.now).Everybody()
	var all, void []int64
	for _, c := range found {
		all = append(all, c.ID)
	}
	if len(all) == 0 {
		return nil, nil
	}
	m := b.Measures
	if m.Password {
		void = customer.OutOfUse(found, b.StartedAt)
	}
	var sessions, tokens map[int64]int64
	if m.Sessions {
		if sessions, err = b.count(ctx, signin.CountMany, all, void, cut); err != nil {
			return nil, err
		}
	}
	if m.Tokens {
		if tokens, err = b.count(ctx, token.CountMany, all, void, cut); err != nil {
			return nil, err
		}
		if err := token.QueueLogoutsOf(ctx, b.Tx, found); err != nil {
			return nil, err
		}
	}
	ending := all
	if cut {
		ending = void
	}
	if err := customer.EndMany(ctx, b.Tx, ending, m.Sessions, m.Tokens); err != nil {
		return nil, err
	}
	if err := customer.RequireNewPasswords(ctx, b.Tx, void, !cut); err != nil {
		return nil, err
	}
	lines = map[int64]Line{}
	for _, id := range all {
		lines[id] = Line{CustomerID: id, Sessions: sessions[id], Tokens: tokens[id], Password: slices.Contains(void, id)}
	}
	return lines, nil
}

// count tells how many sessions or tokens end: what a cut has ended at the start, and what was begun since under passwords that
// are void now.
func (b *batch) count(ctx context.Context, many func(context.Context, *db.Tx, []int64, time.Time) (map[int64]int64, error), all, void []int64, cut bool) (map[int64]int64, error) {
	if !cut {
		return many(ctx, b.Tx, all, time.Time{})
	}
	counts, err := many(ctx, b.Tx, all, b.StartedAt)
	if err != nil || len(void) == 0 {
		return counts, err
	}
	since, err := many(ctx, b.Tx, void, time.Time{})
	for id, n := range since {
		counts[id] += n
	}
	return counts, err
}

// keep writes the lines of the report; customers with the same outcome, which are most, in one statement. Whoever has no line
// was deleted meanwhile.
func (b *batch) keep(ctx context.Context, ids []int64, lines map[int64]Line) error {
	alike := map[Line][]int64{}
	for _, id := range ids {
		l, ok := lines[id]
		if !ok {
			l.Words = "deleted meanwhile"
		}
		l.CustomerID = 0
		alike[l] = append(alike[l], id)
	}
	for l, some := range alike {
		// The bounds are for a PostgreSQL that has no statistics of the report yet: it would read all of it for each batch.
		_, err := b.Exec(ctx, `UPDATE incident_customers SET treated_at = $2, sessions = $3, tokens = $4, password = $5, words = $6
			WHERE incident_id = $1 AND customer_id BETWEEN $7 AND $8 AND customer_id IN (`+db.Marks(9, len(some))+`)`,
			append([]any{b.ID, db.Micro(b.now), l.Sessions, l.Tokens, l.Password, l.Words, slices.Min(some), slices.Max(some)}, db.Args(some)...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// write queues the letters whose turn has come, and tells how long the next one waits.
func (b *batch) write(ctx context.Context) (wait time.Duration, err error) {
	between := time.Hour / time.Duration(b.Measures.PerHour)
	due := b.nextLetter
	if due.IsZero() {
		due = b.now
	}
	if due.After(b.now) {
		return due.Sub(b.now), nil
	}
	// What a pause or an outage kept back is not caught up with at once: the pace is what the mail server was promised.
	due = later(due, b.now.Add(-lookEvery))
	turns := min(int(b.now.Sub(due)/between)+1, writeBatch)
	ids, err := b.next(ctx, " AND treated_at IS NOT NULL AND words = ''", turns)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, b.enter(ctx, Over)
	}
	for _, id := range ids {
		if err := b.letter(ctx, id); err != nil {
			return 0, err
		}
	}
	due = due.Add(time.Duration(len(ids)) * between)
	_, err = b.Exec(ctx, "UPDATE incidents SET reached = $2, written = written + $3, next_letter_at = $4 WHERE id = $1",
		b.ID, ids[len(ids)-1], len(ids), db.Micro(due))
	return due.Sub(b.now), err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (b *batch) letter(ctx context.Context, id int64) error {
	c, err := customer.Find(ctx, b.Tx, id)
	if fault.Is(err, fault.NotFound) {
		return nil // deleted meanwhile: nobody is left to be told
	}
	if err != nil {
		return err
	}
	letter, err := b.s.Recovery.Warn(ctx, b.Tx, c, recovery.Warning{NewPassword: b.Measures.Password, Why: b.Measures.Why})
	if fault.Is(err, fault.Conflict) { // no store view of theirs has an address yet
		_, err = b.Exec(ctx, "UPDATE incident_customers SET words = $3 WHERE incident_id = $1 AND customer_id = $2", b.ID, id, err.Error())
		return err
	}
	if err != nil {
		return err
	}
	_, err = b.Exec(ctx, "UPDATE incident_customers SET letter = $3 WHERE incident_id = $1 AND customer_id = $2", b.ID, id, letter)
	return err
}

// finish ends the incident, and forgets the list of addresses.
func (b *batch) finish(ctx context.Context) error {
	if _, err := b.Exec(ctx, "DELETE FROM incident_addresses WHERE incident_id = $1", b.ID); err != nil {
		return err
	}
	_, err := b.Exec(ctx, "UPDATE incidents SET state = $2, ended_at = $3, lease = NULL, lease_until = NULL WHERE id = $1",
		b.ID, string(Finished), db.Micro(b.now))
	if err != nil {
		return err
	}
	e := b.entry(audit.IncidentFinished, audit.Actor{Kind: audit.System, Name: b.MadeBy}, audit.Origin{})
	e.Detail["customers"] = strconv.FormatInt(b.Treated, 10)
	return audit.Record(ctx, b.Tx, e)
}
