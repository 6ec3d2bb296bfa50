package customer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	importBatch      = 25         // rows of one transaction: a server that shares the file writes in between
	maxImportMessage = 100        // refused rows that a report names; the rest is counted
	maxID            = 4294967295 // Adobe Commerce's customer numbers are unsigned and of 32 bits; new ones need room after them
	timeForm         = "2006-01-02 15:04:05"
)

// fields are the columns that Import reads, with the names that Adobe Commerce's customer export gives them.
var fields = map[string]string{
	"id": "id", "entity_id": "id", "email": "email", "firstname": "firstname", "lastname": "lastname",
	"website": "website", "_website": "website", "store_view": "store_view", "_store": "store_view",
	"password_hash": "password_hash", "created_at": "created_at", "confirmation": "confirmation", "confirmed": "confirmed",
	"email_proven_at": "email_proven_at", "email_verified_at": "email_proven_at", "email_proven": "email_proven", "email_verified": "email_proven",
	"last_sign_in_at": "last_sign_in_at", "active": "active", "is_active": "active", "group_id": "group_id", "prefix": "prefix",
	"middlename": "middlename", "suffix": "suffix", "dob": "dob", "date_of_birth": "dob", "gender": "gender", "taxvat": "taxvat",
	"is_subscribed": "is_subscribed", "custom_attributes": "custom_attributes",
}

// adminStore is Commerce's own store view, in which its administrators make customers. No shopper ever sees it.
const adminStore = "admin"

// ImportOptions of Import.
type ImportOptions struct{ DryRun bool }

// ImportReport tells what an import did, or would do.
type ImportReport struct {
	Read, Created, Known, Refused int
	WithPassword                  int      // of the created, those who keep theirs
	Problems                      []string // "line 7: …", the first maxImportMessage
	PassedOver                    []string // columns that were not read
}

// row is a customer of the file.
type row struct {
	line int
	New
}

// Import reads customers from CSV with a header line (RFC 4180): email, firstname, lastname and website at least; also
// store_view, id, password_hash (Argon2id, Adobe Commerce's, or a crypt string: customers keep their passwords), and what
// a profile has. Columns that it does not know are named in the report. An address that its website has already is left as it is and
// counted, so that an import which broke off can simply be run again. A row that is refused names its line and the reason,
// and the others go on. A file that cannot be read to its end is an error beside the report of what was done before. progress hears the
// number of rows read, from time to time.
func (s *Service) Import(ctx context.Context, r io.Reader, o ImportOptions, progress func(done int)) (report ImportReport, err error) {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return report, err
	}
	in, err := openSheet(ctx, r, fields)
	if err == nil {
		err = in.need("email", "firstname", "lastname", "website")
	}
	if err != nil {
		return report, err
	}
	report.PassedOver = in.others
	im := importing{Service: s, report: &report, seen: newSeen(o.DryRun)}
	for {
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			return report, im.end(ctx)
		}
		if err != nil {
			return report, errors.Join(im.end(ctx), err)
		}
		report.Read++
		n, err := rowOf(snap, rec)
		if err != nil {
			report.refuse(rec.line, err)
			continue
		}
		if im.batch = append(im.batch, row{rec.line, n}); len(im.batch) < importBatch {
			continue
		}
		if err := im.flush(ctx); err != nil {
			return report, err
		}
		if progress != nil {
			progress(report.Read)
		}
	}
}

func (r *ImportReport) refuse(line int, err error) {
	r.Refused++
	if len(r.Problems) < maxImportMessage {
		r.Problems = append(r.Problems, fmt.Sprintf("line %d: %s", line, strings.ReplaceAll(err.Error(), "\n", " ")))
	}
}

func rowOf(snap *shop.Snapshot, rec record) (n New, err error) {
	if !rec.whole() {
		return n, errors.New("it is not in UTF-8; save the file as “CSV UTF-8”")
	}
	if n.WebsiteID, n.ViewID, err = placeOf(snap, rec.value("website"), rec.value("store_view")); err != nil {
		return n, err
	}
	if n.Address, err = ParseAddress(rec.value("email")); err != nil {
		return n, fmt.Errorf("%q: %w", rec.value("email"), err)
	}
	n.Firstname, n.Lastname = strings.TrimSpace(rec.text("firstname")), strings.TrimSpace(rec.text("lastname"))
	if n.Hash, err = secret.Accept(rec.text("password_hash")); err != nil {
		return n, err
	}
	if text := rec.value("id"); text != "" {
		if n.ID, err = strconv.ParseInt(text, 10, 64); err != nil || n.ID < 1 || n.ID > maxID {
			return n, fmt.Errorf("%q is no customer number from 1 to %d", text, maxID)
		}
	}
	if n.CreatedAt, err = rec.moment("created_at"); err != nil {
		return n, err
	}
	if n.LastSignInAt, err = rec.moment("last_sign_in_at"); err != nil {
		return n, err
	}
	if err := rec.standing(&n); err != nil {
		return n, err
	}
	if n.Profile, err = profileOf(rec); err != nil {
		return n, err
	}
	active, err := rec.yes("active", true)
	n.Disabled = !active
	return n, errors.Join(err, Customer{Firstname: n.Firstname, Lastname: n.Lastname, Profile: n.Profile}.check(Customer{}))
}

// standing reads whether a customer may sign in, and whether the address is proven: two facts. Commerce keeps the key of a pending
// confirmation, and who has none may sign in; that tells nothing of the address, for a store need not ask for one. So an address is
// proven only where the file says so.
func (r record) standing(n *New) error {
	confirmed, err := r.yes("confirmed", true)
	if err != nil {
		return err
	}
	since := n.CreatedAt
	if since.IsZero() {
		since = time.Now().UTC()
	}
	if confirmed && r.value("confirmation") == "" {
		n.ConfirmedAt = since
	}
	if n.ProvenAt, err = r.moment("email_proven_at"); err != nil || !n.ProvenAt.IsZero() {
		return err
	}
	said := confirmed && r.value("confirmed") != "" && !r.has("email_proven_at")
	proven, err := r.yes("email_proven", said)
	if proven {
		n.ProvenAt = since
	}
	return err
}

// placeOf is the website of a customer, and the store view: its first one for customers whom Commerce's administrators made.
func placeOf(snap *shop.Snapshot, website, view string) (websiteID, viewID int64, err error) {
	w, ok := snap.WebsiteByCode(website)
	if !ok {
		return 0, 0, fmt.Errorf("there is no website %q", website)
	}
	views := snap.ViewsOf(w.ID)
	if len(views) == 0 {
		return 0, 0, fmt.Errorf("website %q has no store view", w.Code)
	}
	v, ok := snap.ViewByCode(view)
	switch {
	case ok && v.WebsiteID == w.ID:
		return w.ID, v.ID, nil
	case view == "" || !ok && view == adminStore:
		return w.ID, views[0].ID, nil
	}
	return 0, 0, fmt.Errorf("website %q has no store view %q", w.Code, view)
}

// genders are what Commerce's export writes for the numbers of Profile.Gender.
var genders = map[string]int64{"": 0, "male": 1, "female": 2, "not specified": 3}

func profileOf(rec record) (p Profile, err error) {
	p = Profile{Prefix: rec.value("prefix"), Middlename: rec.value("middlename"), Suffix: rec.value("suffix"), TaxVat: rec.value("taxvat"), GroupID: GeneralGroup}
	if text := rec.value("group_id"); text != "" {
		if p.GroupID, err = strconv.ParseInt(text, 10, 32); err != nil {
			return p, fmt.Errorf("%q is no number of a customer group", text)
		}
	}
	text, known := rec.value("gender"), false
	if p.Gender, known = genders[strings.ToLower(text)]; !known {
		if p.Gender, err = strconv.ParseInt(text, 10, 32); err != nil {
			return p, fmt.Errorf("%q is no gender: a number, Male, Female or Not Specified", text)
		}
	}
	born, err := rec.moment("dob")
	if err != nil {
		return p, err
	}
	if !born.IsZero() {
		p.DateOfBirth = born.Format(time.DateOnly)
	}
	if p.Subscribed, err = rec.yes("is_subscribed", false); err != nil {
		return p, err
	}
	if text := rec.value("custom_attributes"); text != "" {
		if err := json.Unmarshal([]byte(text), &p.Custom); err != nil {
			return p, errors.New("custom_attributes is no JSON object of texts")
		}
	}
	return p, nil
}

// yes reads a column of yes and no.
func (r record) yes(name string, otherwise bool) (bool, error) {
	text := r.value(name)
	if text == "" {
		return otherwise, nil
	}
	yes, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return false, fmt.Errorf("%s is %q, not 1 or 0", name, text)
	}
	return yes, nil
}

// moments are the forms of a time that databases, programs and spreadsheets write; without a zone it is UTC. Days that are
// written with slashes are refused: nobody can tell which number is the month.
var moments = []string{timeForm, time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05Z07:00"}

// moment reads a time; what databases write for none is the zero time.
func (r record) moment(name string) (time.Time, error) {
	text := r.value(name)
	if text == "" || strings.HasPrefix(text, "0000-00-00") {
		return time.Time{}, nil
	}
	for _, form := range moments {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is %q, no moment such as %s", name, text, timeForm)
}

// importing is an import under way.
type importing struct {
	*Service
	report *ImportReport
	seen   *seen // of a dry run: what would be in the database by now
	begun  bool  // something was stored
	batch  []row
}

// seen remembers the addresses and numbers of a file by their hashes; nil remembers nothing.
type seen struct {
	seed    maphash.Seed
	entries map[uint64]bool
}

func newSeen(dryRun bool) *seen {
	if !dryRun {
		return nil
	}
	return &seen{maphash.MakeSeed(), map[uint64]bool{}}
}

func (s *seen) has(key string) bool { return s != nil && s.entries[maphash.String(s.seed, key)] }
func (s *seen) add(keys ...string) {
	for _, key := range keys {
		s.entries[maphash.String(s.seed, key)] = true
	}
}
func (n New) addressKey() string {
	return strconv.FormatInt(n.WebsiteID, 10) + " " + n.Address.canonical
}
func (n New) numberKey() string { return "#" + strconv.FormatInt(n.ID, 10) }

var errKnown = errors.New("the website has the address already")

// flush stores the batch in one transaction, which is short enough not to be broken off; a dry run only asks what would become of it.
func (im *importing) flush(ctx context.Context) error {
	if len(im.batch) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	run := im.DB.Write
	if im.seen != nil {
		run = im.DB.Read
	}
	var after ImportReport
	err := run(ctx, func(tx *db.Tx) error {
		after = *im.report
		after.Problems = slices.Clone(after.Problems)
		for _, r := range im.batch {
			err := im.one(ctx, tx, r.New)
			switch f, refused := fault.As(err); {
			case err == nil:
				after.Created++
				if r.Hash != "" {
					after.WithPassword++
				}
			case errors.Is(err, errKnown):
				after.Known++
			case refused:
				after.refuse(r.line, f)
			default:
				return err
			}
		}
		if im.seen != nil {
			return nil
		}
		if err := tx.Advance(ctx, "customers"); err != nil || im.begun {
			return err
		}
		return told(ctx, tx, "begun", nil)
	})
	if err != nil {
		return err
	}
	*im.report, im.batch, im.begun = after, im.batch[:0], true
	return nil
}

// end stores the rest, and says in the audit what all of it came to. An import that was killed has begun there and not ended.
func (im *importing) end(ctx context.Context) error {
	if err := im.flush(ctx); err != nil || im.seen != nil || !im.begun {
		return err
	}
	return im.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		return told(ctx, tx, "", map[string]string{"created": strconv.Itoa(im.report.Created), "known": strconv.Itoa(im.report.Known),
			"refused": strconv.Itoa(im.report.Refused)})
	})
}

func told(ctx context.Context, tx *db.Tx, outcome string, detail map[string]string) error {
	return audit.Record(ctx, tx, audit.Entry{Action: audit.CustomersImported, Actor: audit.Actor{Kind: audit.Command, Name: "command line"},
		Outcome: outcome, Detail: detail})
}

// one makes a customer, or would. Errors: errKnown; fault Conflict when its number is taken.
func (im *importing) one(ctx context.Context, tx *db.Tx, n New) error {
	if err := im.room(ctx, tx, n); err != nil {
		return err
	}
	if im.seen != nil {
		im.seen.add(n.addressKey())
		if n.ID != 0 {
			im.seen.add(n.numberKey())
		}
		return nil
	}
	_, err := Create(ctx, tx, n)
	if fault.Is(err, fault.Conflict) { // somebody was faster
		if taken := im.room(ctx, tx, n); taken != nil {
			return taken
		}
	}
	return err
}

// room tells whether the address and the number of a customer are free.
func (im *importing) room(ctx context.Context, tx *db.Tx, n New) error {
	switch _, err := FindByAddress(ctx, tx, n.WebsiteID, n.Address); {
	case err == nil || im.seen.has(n.addressKey()):
		return errKnown
	case !fault.Is(err, fault.NotFound):
		return err
	case n.ID == 0:
		return nil
	}
	var one int
	err := tx.Row(ctx, "SELECT 1 FROM customers WHERE id = $1", n.ID).Scan(&one) // of somebody who was deleted as well
	if err == nil || im.seen.has(n.numberKey()) {
		return fault.New(fault.Conflict, "number.taken", fmt.Sprintf("number %d belongs to another customer", n.ID))
	}
	if db.IsNoRows(err) {
		return nil
	}
	return err
}
