package app

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/secret"
)

func TestTrustedProxiesAreNeverEverybody(t *testing.T) {
	for _, r := range []struct{ text, want, why string }{
		{"10.0.0.7", "[10.0.0.7/32]", "one address is itself"},
		{"10.0.0.7/8,::1", "[10.0.0.0/8 ::1/128]", "a range is written by its first address"},
		{"0.0.0.0/0", "", "everybody could choose the address they are counted under"},
		{"::/0", "", "the same"},
		{"proxy.example", "", "a name would be resolved at another time than it is believed"},
	} {
		got, err := ParseProxies(strings.Split(r.text, ","))
		if (err == nil) != (r.want != "") || err == nil && fmt.Sprint(got) != r.want {
			t.Errorf("%s: %s is %v (%v), want %s", r.why, r.text, got, err, r.want)
		}
	}
}

func TestAddressesAreThoseOfABrowser(t *testing.T) {
	bound, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer bound.Close()
	_, port, _ := net.SplitHostPort(bound.Addr().String())
	for _, r := range []struct{ asked, host, why string }{
		{"127.0.0.1:0", "127.0.0.1", "as it was asked for, with the port that was found"},
		{"localhost:0", "localhost", "a name stays a name"},
		{":0", "127.0.0.1", "every address of the machine is reached at this one"},
		{"0.0.0.0:0", "127.0.0.1", "the same"},
		{"[::]:0", "127.0.0.1", "the same"},
		{"[::1]:0", "[::1]", "with its brackets"},
	} {
		if got, want := baseOf(r.asked, bound), "http://"+r.host+":"+port; got != want {
			t.Errorf("%s: %s is announced as %s, want %s", r.why, r.asked, got, want)
		}
	}
}

func TestHashingHasAFloor(t *testing.T) {
	for _, r := range []struct {
		params secret.Params
		dev    bool
		ok     bool
		why    string
	}{
		{secret.Params{}, false, true, "the default"},
		{secret.Params{Memory: 64 * 1024, Time: 3, Threads: 1}, false, true, "more"},
		{secret.Params{Memory: 18 * 1024, Time: 8, Threads: 1}, false, false, "less memory"},
		{secret.Params{Memory: 19 * 1024, Time: 1, Threads: 1}, false, false, "fewer passes"},
		{secret.Params{Memory: 64, Time: 1, Threads: 1}, true, true, "development may"},
		{secret.Params{Memory: 512 * 1024, Time: 2, Threads: 1}, false, false, "more than a stored hash may ask for: nobody could sign in"},
	} {
		c := config(t, t.TempDir())
		c.Hash, c.Dev = r.params, r.dev
		if err := c.check(); (err == nil) != r.ok {
			t.Errorf("%s: %+v gives %v", r.why, r.params, err)
		}
	}
}

// More rows than one batch holds are swept in one go, and those that still count stay.
func TestHousekeepingSweepsWhatHasEnded(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	house, err := Place{Data: t.TempDir()}.Open(t.Context(), Opening{Make: true, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer house.Close()
	rule := limit.Rule{Name: "test", Max: 1, Window: time.Hour}
	count := func(from, to int) {
		t.Helper()
		if err := house.DB.Write(t.Context(), func(tx *db.Tx) error {
			for i := from; i < to; i++ {
				if _, err := limit.Take(t.Context(), tx, rule, fmt.Sprint(i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	count(0, 2*cleanBatch+7)
	now = now.Add(2 * time.Hour)
	count(0, 3)
	stores, err := house.Shop.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone, err := house.sweep(t.Context(), sweeps(stores)[0])
	if err != nil || gone != 2*cleanBatch+4 {
		t.Errorf("%d rows were swept (%v), want %d", gone, err, 2*cleanBatch+4)
	}
	for _, s := range sweeps(stores) {
		if _, err := house.sweep(context.Background(), s); err != nil {
			t.Errorf("%s: %v", s.what, err)
		}
	}
}

func TestReadingNeedsAStore(t *testing.T) {
	_, err := Place{Data: t.TempDir() + "/none"}.Open(t.Context(), Opening{})
	if err == nil || !strings.Contains(err.Error(), "there is no store in") {
		t.Errorf("opening nothing gives %v", err)
	}
}

// The operator at the shell and the server read one database at the same time.
func TestCommandsWorkBesideTheServer(t *testing.T) {
	data := t.TempDir()
	n := start(t, config(t, data))
	house, err := Place{Data: data, Dev: true}.Open(t.Context(), Opening{})
	if err != nil {
		t.Fatal(err)
	}
	defer house.Close()
	house.Shop.DevBaseURL = n.at.Storefront
	stores, err := house.Shop.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	view, _ := stores.ViewByCode("default")
	_, err = house.Customers.Add(t.Context(), view, customer.Registration{Email: "camille@example.com", Firstname: "Camille",
		Lastname: "Durand", Password: secret.NewText("old-harbour-7")}, audit.Actor{Kind: audit.Command})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, n.at.Storefront+"/readyz"); status != 200 {
		t.Errorf("the server gives %d meanwhile", status)
	}
}
