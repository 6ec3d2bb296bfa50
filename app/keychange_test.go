package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// keys are the files of three keys.
func keys(t *testing.T) (old, next, third string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"old", "next", "third"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret.RandomKey().Encode().Reveal()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "old"), filepath.Join(dir, "next"), filepath.Join(dir, "third")
}

// Promise: the key is changed step by step. The first node that makes with the new key changes it, one that is started again with the
// old one does not change it back, and what the old one made is accepted for as long as a link lives, by the database's clock.
func TestTheKeyIsChangedStepByStep(t *testing.T) {
	dbtest.EachEngine(t, func(t *testing.T, engine string) {
		url, clock := dbtest.URL(t, engine), dbtest.NewClock()
		old, next, third := keys(t)
		open := func(key, beside string, more ...func(*Opening)) (*House, error) {
			o := Opening{Serve: true, Clock: clock.Now}
			for _, m := range more {
				m(&o)
			}
			return Place{Database: url, SecretKeyFile: key, AcceptKeyFile: beside}.Open(t.Context(), o)
		}
		started := func(key, beside string, more ...func(*Opening)) *House {
			t.Helper()
			h, err := open(key, beside, more...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { h.Close() })
			return h
		}
		refuses := func(why, key, beside string) {
			t.Helper()
			h, err := open(key, beside)
			if err == nil {
				h.Close()
				t.Fatalf("it starts, and should say: %s", why)
			}
			if !strings.Contains(err.Error(), why) {
				t.Errorf("it says %v, want: %s", err, why)
			}
		}
		store := func(h *House) string {
			s, err := h.KeyState(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s.Store
		}
		made := func(h *House, by *House) bool {
			return h.Key.Made("link", []byte("1"), by.Key.Derive("link", []byte("1")))
		}
		tend := func(h *House) string {
			var log bytes.Buffer
			if err := h.tendKey(t.Context(), slog.New(slog.NewTextHandler(&log, nil))); err != nil {
				t.Fatal(err)
			}
			return log.String()
		}

		before := started(old, "")
		first := store(before)
		told := started(old, next)
		if store(told) != first {
			t.Error("telling a node of the next key changed the key")
		}
		refuses("is not the one that this store was set up with", next, third)
		command := started(next, old, func(o *Opening) { o.Serve = false })
		if store(command) != first {
			t.Error("a command changed the key")
		}

		changed := started(next, old)
		if store(changed) == first {
			t.Fatal("the key was not changed")
		}
		if !made(changed, told) || !made(told, changed) {
			t.Error("the nodes of the change do not accept each other's links")
		}
		again := started(old, next)
		if store(again) == first || !made(again, changed) {
			t.Error("a node that was started again with the old key changed it back")
		}
		if said := tend(again); !strings.Contains(said, "has replaced") {
			t.Errorf("a node with the old key says %q", said)
		}
		refuses("is not the one that this store was set up with", old, "")
		refuses("is not the one that this store was set up with", old, third)

		clock.Advance(keyGrace - time.Second)
		if tend(changed); !made(changed, told) {
			t.Error("what the old key made is refused while a link of it may live")
		}
		clock.Advance(time.Second)
		if said := tend(changed); made(changed, told) || !strings.Contains(said, "accepted no more") {
			t.Errorf("what the old key made is accepted after its time; %q", said)
		}
		if late := started(next, old); made(late, told) {
			t.Error("a node that starts late accepts what the old key made")
		}
		refuses("was replaced, and what it made is accepted no more", old, next)
		started(next, "")

		back := started(old, next, func(o *Opening) { o.ReplaceKey = true })
		if store(back) != first {
			t.Error("--replace-secret-key does not change the key back")
		}
	})
}

// No link of a letter may live longer than the key that made it is accepted.
func TestNoLinkOutlivesTheFormerKey(t *testing.T) {
	for _, s := range shop.Registry() {
		switch s.Path {
		case shop.LinkExpirationPeriod, shop.AdminLinkPeriod, shop.RegistrationLinkPeriod:
			if time.Duration(s.Max) > keyGrace {
				t.Errorf("%s may be %s, and a former key is accepted for %s", s.Path, time.Duration(s.Max), keyGrace)
			}
		}
	}
}

// On one machine the old file is moved aside, and the server makes the next key itself.
func TestAKeyThatWasMovedAsideIsFollowedByANewOne(t *testing.T) {
	data := t.TempDir()
	start(t, config(t, data)).end()
	aside := filepath.Join(data, "former.key")
	if err := os.Rename(filepath.Join(data, keyFile), aside); err != nil {
		t.Fatal(err)
	}
	if why := refused(t, config(t, data)); !strings.Contains(why, "is missing") {
		t.Errorf("without it: %s", why)
	}
	c := config(t, data)
	c.AcceptKeyFile = aside
	start(t, c).end()
	if info, err := os.Stat(filepath.Join(data, keyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new key: %v", err)
	}
	start(t, c).end()
	h, err := c.Place.Open(context.Background(), Opening{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if s, err := h.KeyState(context.Background()); err != nil || s.Former == "" || s.Key != s.Store || s.Former != s.Accepted || s.AcceptedUntil == nil {
		t.Errorf("%+v, %v", s, err)
	}
}
