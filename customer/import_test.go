package customer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/test/fixture"
)

// imports runs a file twice, dry and for good, and holds that the dry run foretold it.
func imports(t *testing.T, h *fixture.House, file string) customer.ImportReport {
	t.Helper()
	var reports [2]customer.ImportReport
	for i, dry := range []bool{true, false} {
		var err error
		if reports[i], err = h.Customers.Import(t.Context(), strings.NewReader(file), customer.ImportOptions{DryRun: dry}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
		t.Errorf("the dry run foretold something else (-dry +run):\n%s", diff)
	}
	return reports[1]
}

// Promise: nobody of a file is lost in silence. "Known" is an address that its website has; a number that somebody else has is
// refused, be it in the database, of a deleted customer, or earlier in the file.
func TestAnImportLosesNobodyInSilence(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, _ *dbtest.Clock) {
		h := fixture.Furnish(t, d)
		const header = "id,email,website,firstname,lastname\n"
		imports(t, h, header+"1001,anna@shop.test,lune,Anna,A\n1002,gone@shop.test,lune,Gone,G\n")
		if err := h.Customers.DeleteOwn(t.Context(), h.View("lune_en"), h.Find(1002), fixture.Origin, nil); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			why, lines              string
			created, known, refused int
			says                    string
		}{
			{"her number is taken", "1001,bert@shop.test,lune,Bert,B\n", 0, 0, 1, "line 2: number 1001 belongs to another customer"},
			{"the number is a deleted customer's", "1002,carl@shop.test,lune,Carl,C\n", 0, 0, 1, "line 2: number 1002 belongs to another customer"},
			{"the number is taken at another website", "1001,anna@shop.test,nord,Anna,A\n", 0, 0, 1, "number 1001"},
			{"the address is there", "1001,anna@shop.test,lune,Anna,A\n,ANNA@shop.test,lune,Anna,A\n7,anna@shop.test,lune,A,A\n", 0, 3, 0, ""},
			{"twice in the file", "2001,dora@shop.test,lune,Dora,D\n2002,Dora@shop.test,lune,Dora,D\n2001,emil@shop.test,lune,Emil,E\n", 1, 1, 1, "line 4: number 2001"},
			{"a number beyond Commerce's", "4294967296,f@shop.test,lune,F,F\n9223372036854775807,f@shop.test,lune,F,F\n0,f@shop.test,lune,F,F\n-3,f@shop.test,lune,F,F\n", 0, 0, 4, "from 1 to 4294967295"},
			{"the last number of Commerce's", "4294967295,last@shop.test,lune,L,L\n", 1, 0, 0, ""},
		} {
			t.Run(row.why, func(t *testing.T) {
				got := imports(t, h, header+row.lines)
				if got.Created != row.created || got.Known != row.known || got.Refused != row.refused || !strings.Contains(strings.Join(got.Problems, "\n"), row.says) {
					t.Errorf("%+v", got)
				}
			})
		}
		h.Customer("lune_en", "after@shop.test") // the numbers are not used up
	})
}

// Promise: what an export of Commerce says, and a profile has a place for, is kept; the other columns are named.
func TestAnImportKeepsWhatTheFileSays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		got := imports(t, h, "entity_id,email,_website,_store,firstname,lastname,group_id,dob,gender,taxvat,prefix,middlename,suffix,is_active,is_subscribed,rp_token,reward_points\n"+
			"31,grace@shop.test,lune,admin,Grace,Hopper,3,1906-12-09 00:00:00,Female,DE123456789,Dr.,Brewster,USN,0,1,x,12\n"+
			"32,plain@shop.test,lune,,Plain,P,NULL,0000-00-00 00:00:00,NULL,\\N,,,,,,,\n")
		if got.Created != 2 || cmp.Diff(got.PassedOver, []string{"rp_token", "reward_points"}) != "" {
			t.Fatalf("%+v", got)
		}
		want := customer.Profile{Prefix: "Dr.", Middlename: "Brewster", Suffix: "USN", Gender: 2, DateOfBirth: "1906-12-09", TaxVat: "DE123456789", Subscribed: true, GroupID: 3}
		grace, plain := h.Find(31), h.Find(32)
		if diff := cmp.Diff(want, grace.Profile); diff != "" || grace.Active || grace.ViewID != h.View("lune_en").ID {
			t.Errorf("active %v, view %d: %s", grace.Active, grace.ViewID, diff)
		}
		if diff := cmp.Diff(customer.Profile{GroupID: 1}, plain.Profile); diff != "" || !plain.Active {
			t.Errorf("active %v: %s", plain.Active, diff)
		}
	})
}

// Promise: what Export writes Import reads back, to the letter, and no spreadsheet takes any of it for a formula.
func TestAnExportComesBackAsItWas(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		from, to := fixture.Furnish(t, d), fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
		imports(t, from, "id,email,website,firstname,lastname,prefix,middlename,suffix,taxvat,custom_attributes,created_at,last_sign_in_at,confirmed,store_view\n"+
			`41,=eve@shop.test,lune,=Eve,-E,+P,=M,-S,=1+1,"{""card"":""=7""}",2020-04-01 10:00:00,2021-04-01 10:00:00,0,lune_fr`+"\n"+
			"42,'apo@shop.test,lune,'Apo,''=A,,,,'=,,,,,\n"+
			"43,+49@shop.test,nord,NULL,Null,,,,,,,,,\n")
		var first, second bytes.Buffer
		if n, err := from.Customers.Export(t.Context(), &first); n != 3 || err != nil {
			t.Fatalf("%d %v", n, err)
		}
		for _, line := range strings.Split(first.String(), "\n") {
			for _, cell := range strings.Split(line, ",") {
				if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "-") {
					t.Errorf("a formula: %s", cell)
				}
			}
		}
		if got := imports(t, to, first.String()); got.Created != 3 || len(got.PassedOver) > 0 {
			t.Fatalf("%+v\n%s", got, &first)
		}
		if _, err := to.Customers.Export(t.Context(), &second); err != nil || first.String() != second.String() {
			t.Errorf("%v\n%s", err, cmp.Diff(first.String(), second.String()))
		}
		if eve := to.Find(41); eve.Email != "=eve@shop.test" || eve.TaxVat != "=1+1" || eve.Custom["card"] != "=7" {
			t.Errorf("%+v", eve)
		}
	})
}

// Promise: a file is read as spreadsheets and databases write it, or refused with what to do.
func TestFilesAsSpreadsheetsWriteThem(t *testing.T) {
	h := fixture.Furnish(t, dbtest.Open(t, dbtest.SQLite))
	read := func(file string) (customer.ImportReport, error) {
		return h.Customers.Import(t.Context(), strings.NewReader(file), customer.ImportOptions{DryRun: true}, nil)
	}
	for _, created := range []string{"2020-04-01", "2020-04-01 05:06:07", "2020-04-01T05:06:07", "2020-04-01T05:06:07Z", "2020-04-01T05:06:07+02:00", "2020-04-01 05:06",
		"2020-04-01 05:06:07.123456", "0000-00-00 00:00:00", "0000-00-00", "NULL", `\N`, ""} {
		if r, err := read("\xef\xbb\xbf\"email\",\"website\",\"firstname\",\"lastname\",\"created_at\",\"dob\"\r\n\"b@shop.test\",\"lune\",\"A\",\"B\",\"" + created + "\",\"" + created + "\"\r\n"); err != nil || r.Created != 1 {
			t.Errorf("%q: %+v %v", created, r, err)
		}
	}
	for file, says := range map[string]string{
		"":                                 "no header line",
		"email;website;firstname;lastname": "separated by semicolons",
		"email\twebsite\tfirstname":        "semicolons or tabs",
		"email,website,firstname\n":        `no column "lastname"`,
		"\xff\xfee\x00m\x00":               "UTF-16",
		"\xfe\xff\x00e":                    "UTF-16",
		"email,website,firstname,lastname\na@shop.test,lune,\"A,B\nmore": "cannot be read as CSV",
	} {
		if _, err := read(file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", file, err)
		}
	}
	for line, says := range map[string]string{
		"a@shop.test,lune,Ren\xe9,B,,":     "not in UTF-8",
		"a@shop.test,lune,A,B,01/02/20,":   "created_at is",
		"a@shop.test,lune,A,B,,x":          "dob is",
		"a@shop.test,lune,A,B,,2999-01-01": "date of birth",
		"a@shop.test,lune,A,B":             "",
	} {
		r, err := read("email,website,firstname,lastname,created_at,dob\n" + line + "\n")
		if err != nil || r.Refused != len(r.Problems) || (says == "") != (r.Created == 1) || !strings.Contains(fmt.Sprint(r.Problems), says) {
			t.Errorf("%q: %+v %v", line, r, err)
		}
	}
}

// Promise: a file without end takes no memory without end, and an import stops when it is told to; what was read before is kept.
func TestAnImportOfAFileWithoutEndStops(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		const start = "email,website,firstname,lastname\nfirst@shop.test,lune,F,F\n"
		for begin, says := range map[string]string{"": "more than 1048576 bytes", start + `"`: "after line 2 comes one", start + "x": "after line 2 comes one"} {
			endless := &endless{}
			r, err := h.Customers.Import(t.Context(), io.MultiReader(strings.NewReader(begin), endless), customer.ImportOptions{}, nil)
			if err == nil || !strings.Contains(err.Error(), says) || endless.read > 2*customer.MaxRecord || r.Created+r.Known != r.Read {
				t.Errorf("%q: %d bytes, %+v %v", begin, endless.read, r, err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		rows := &rows{begin: start, after: func(n int) {
			if n == 1200 {
				stop()
			}
		}}
		r, err := h.Customers.Import(ctx, rows, customer.ImportOptions{}, nil)
		if !errors.Is(err, context.Canceled) || r.Read < 1000 || r.Read > 1500 || r.Created+r.Known != r.Read {
			t.Errorf("%+v %v", r, err)
		}
	})
}

// Promise: an import holds the database for few rows at a time, so that shoppers of a running server write in between, and stands in the
// audit as one act however large it is: when it began, and what it came to.
func TestAnImportHoldsTheDatabaseForFewRows(t *testing.T) {
	const most, all = 25, 130
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		url := dbtest.URL(t, engine)
		inOne, largest := 0, 0
		watched, err := db.Open(t.Context(), url, db.Options{NoMigrate: true, Before: func(query string, _ []any) error {
			switch {
			case strings.HasPrefix(query, "INSERT INTO customers"):
				inOne++
				largest = max(largest, inOne)
			case query == "COMMIT":
				inOne = 0
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { watched.Close() })
		h := fixture.Furnish(t, watched)
		file := "email,website,firstname,lastname\nnobody,lune,N,N\n"
		for i := range all {
			file += fmt.Sprintf("row%d@shop.test,lune,R,X\n", i)
		}
		if got := imports(t, h, file); got.Created != all || largest > most || largest == 0 {
			t.Errorf("%d rows in one transaction, at most %d may be; %+v", largest, most, got)
		}
		var told []string
		h.Read(func(ctx context.Context, tx *db.Tx) error {
			entries, _, err := audit.List(ctx, tx, audit.Query{Action: audit.CustomersImported, Limit: 10})
			for _, e := range entries {
				told = append(told, fmt.Sprint(e.Outcome, e.Detail))
			}
			return err
		})
		if want := []string{fmt.Sprint(map[string]string{"created": "130", "known": "0", "refused": "1"}), "begunmap[]"}; cmp.Diff(want, told) != "" {
			t.Errorf("the audit tells %q", told)
		}
	})
}

// endless is a file of which nothing comes but zeros.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.read += len(p)
	return len(p), nil
}

// rows is a file with a customer a line, without end.
type rows struct {
	begin string
	n     int
	after func(n int)
}

func (r *rows) Read(p []byte) (int, error) {
	if r.begin != "" {
		n := copy(p, r.begin)
		r.begin = r.begin[n:]
		return n, nil
	}
	r.n++
	r.after(r.n)
	r.begin = fmt.Sprintf("row%d@shop.test,lune,R,X\n", r.n)
	return r.Read(p)
}
