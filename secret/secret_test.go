package secret_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/rekeyhq/rekey/secret"
)

var cheap = secret.Params{Memory: 64, Time: 1, Threads: 1}

// fmt reads through unexported fields, slog through LogValue, JSON through marshalers, a panic through all of them: each
// way to print a secret is tried, alone and inside of whatever could hold one.
func TestASecretNeverPrints(t *testing.T) {
	const hidden = "correct-horse-battery"
	type holder struct {
		Name string
		s    secret.Text
		P    *secret.Text
		M    map[string]secret.Text
		A    []any
	}
	text := secret.NewText(hidden)
	key, err := secret.NewKey([]byte("correct-horse-battery-staple-256"))
	if err != nil {
		t.Fatal(err)
	}
	things := []any{text, &text, key, &key, []secret.Text{text}, map[string]secret.Text{"a": text},
		holder{"n", text, &text, map[string]secret.Text{"k": text}, []any{text, key}}, &holder{s: text},
		fmt.Errorf("failed with %v", text), struct{ error }{fmt.Errorf("%s %+v", key, text)}}
	for _, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%t", "%e", "%p", "%T", "%10.3v"} {
			check(t, verb, fmt.Sprintf(verb, thing))
		}
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "thing", thing)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "thing", thing)
		check(t, "slog", out.String())
		b, _ := json.Marshal(thing)
		check(t, "json", string(b))
		func() {
			defer func() { check(t, "panic", fmt.Sprint(recover())) }()
			panic(thing)
		}()
	}
}

func check(t *testing.T, how, printed string) {
	t.Helper()
	for _, leak := range []string{"correct-horse", "636f7272656374", "99 111 114", "Y29ycmVjdC1ob3Jz"} {
		if strings.Contains(strings.ToLower(printed), strings.ToLower(leak)) {
			t.Errorf("%s shows the secret: %s", how, printed)
		}
	}
}

func TestDerivedSecretsAreTheSameOnEveryNodeAndDifferByPurposeAndID(t *testing.T) {
	key := secret.RandomKey()
	again, err := secret.ParseKey(key.Encode().Reveal())
	if err != nil {
		t.Fatal(err)
	}
	a := key.Derive("recovery-link", []byte("1"))
	if !a.Equal(again.Derive("recovery-link", []byte("1"))) {
		t.Error("the same key, purpose and id gave another secret")
	}
	for _, other := range []secret.Text{key.Derive("recovery-link", []byte("2")), key.Derive("registration-link", []byte("1")),
		secret.RandomKey().Derive("recovery-link", []byte("1"))} {
		if a.Equal(other) {
			t.Error("another id, purpose or key gave the same secret")
		}
	}
	if !secret.WellFormed(a) || !secret.WellFormed(secret.Random()) {
		t.Error("a secret of the house is not well-formed")
	}
}

// Vectors: the first five are in Adobe Commerce's own unit test; password "password".
func TestPasswordsFromAdobeCommerceStillWork(t *testing.T) {
	h := secret.NewHasher(cheap, 1)
	for _, row := range []struct {
		stored, password, why string
		right                 bool
	}{
		{"67a1e09bb1f83f5007dc119c14d663aa:salt:0", "password", "md5, from Magento 1", true},
		{"13601bda4ea78e55a07b98866d2be6be0744e3866f13c00c811cab608a28f322:salt:1", "password", "sha256", true},
		{"3b68ca4706cbae291455e4340478076c1e1618e742b6144cfcc3e50f648903e4:salt:0:1", "password", "md5 wrapped in sha256", true},
		{"c6aad9e058f6c4b06187c06d2b69bf506a786af030f81fb6d83778422a68205e:salt:1:2", "password", "sha256 wrapped in Argon2id", true},
		{"7640855aef9cb6ffd20229601d2904a2192e372b391db8230d7faf073b393e4c:salt:2", "password", "Argon2id, short salt", true},
		{"ca7982945fa90444b78d586678ff1c223ce13f99a39ec9541eae8b63ada3816a:random_salt12345:2", "password", "Argon2id", true},
		{"2ad8ab9bff8862b806d7abf11cf24de12d77b63306b11d4d1d6fb6f7c4f1d648:KZ0ltQm3vW8rYb5cXd9eFg1hIj2kLn4p:3_32_2_67108864", "Correct-Horse7", "today's form", true},
		{"67a1e09bb1f83f5007dc119c14d663aa:salt:0", "Password", "another password", false},
		{"hash:salt:1", "password", "no hash at all", false},
		{"5f4dcc3b5aa765d61d8327deb882cf99:", "password", "no version", false},
		{"c6aad9e058f6c4b06187c06d2b69bf506a786af030f81fb6d83778422a68205e:salt:3_32_2_99999999999", "password", "asks for all the memory there is", false},
		{"$2y$10$abcdefghijklmnopqrstuuEjb3rtTr6dHHVZJc8SwFnkm3hfbpxGa", "password", "bcrypt of something else", false},
	} {
		ok, outdated, err := h.Verify(context.Background(), row.stored, secret.NewText(row.password))
		if err != nil || ok != row.right {
			t.Errorf("%s: ok %v, error %v", row.why, ok, err)
		}
		if ok && !outdated {
			t.Errorf("%s: is not renewed at sign-in", row.why)
		}
	}
}

func TestPasswordsAreComparedInNFC(t *testing.T) {
	h := secret.NewHasher(cheap, 1)
	ctx := context.Background()
	stored, err := h.Hash(ctx, secret.NewText("caf\u00e9-creme"))
	if err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]bool{"cafe\u0301-creme": true, "cafe-creme": false, "caf\u00e9-creme ": false} {
		if ok, _, _ := h.Verify(ctx, stored, secret.NewText(typed)); ok != want {
			t.Errorf("%q: %v", typed, ok)
		}
	}
}

// bcrypt cuts at 72 bytes; nothing here may.
func TestLongPasswordsAreNeverCut(t *testing.T) {
	h := secret.NewHasher(cheap, 1)
	ctx := context.Background()
	base := strings.Repeat("a", 199)
	stored, _ := h.Hash(ctx, secret.NewText(base+"b"))
	if ok, _, _ := h.Verify(ctx, stored, secret.NewText(base+"c")); ok {
		t.Fatal("two passwords that differ in the last of 200 characters are taken for one")
	}
}

func TestHashesAreRenewedUpwardsOnly(t *testing.T) {
	ctx := context.Background()
	weak, strong := secret.NewHasher(cheap, 1), secret.NewHasher(secret.Params{Memory: 128, Time: 2, Threads: 1}, 1)
	pw := secret.NewText("something")
	low, _ := weak.Hash(ctx, pw)
	high, _ := strong.Hash(ctx, pw)
	if ok, outdated, _ := strong.Verify(ctx, low, pw); !ok || !outdated {
		t.Error("a weaker hash is not renewed when the parameters rise")
	}
	if ok, outdated, _ := weak.Verify(ctx, high, pw); !ok || outdated {
		t.Error("a stronger hash would be replaced by a weaker one")
	}
}

// The gate: however many ask at once, at most slots hash, the queue is short, the rest is told to come back.
func TestHashingIsBounded(t *testing.T) {
	const slots, callers = 2, 400
	h := secret.NewHasher(secret.Params{Memory: 8 * 1024, Time: 1, Threads: 1}, slots)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var hashed, busy int
	start := make(chan struct{})
	for range callers {
		wg.Go(func() {
			<-start
			_, err := h.Hash(context.Background(), secret.NewText("x"))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				hashed++
			case errors.Is(err, secret.ErrBusy):
				busy++
			default:
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	if busy == 0 || hashed == 0 || hashed+busy != callers || h.Runs() != int64(hashed) {
		t.Errorf("%d hashed, %d refused, %d runs", hashed, busy, h.Runs())
	}
}

func TestAnEmptyHashCostsTheSameAndIsNeverRight(t *testing.T) {
	h := secret.NewHasher(cheap, 1)
	ok, _, err := h.Verify(context.Background(), "", secret.NewText(""))
	if ok || err != nil || h.Runs() != 1 {
		t.Fatalf("ok %v, error %v, %d hashes", ok, err, h.Runs())
	}
}

func BenchmarkArgon2id(b *testing.B) {
	h := secret.NewHasher(secret.DefaultParams, 0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.Hash(context.Background(), secret.NewText("correct horse")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
}

// Promise: what mail programs leave around a link's secret takes nothing away from it, and nothing else becomes a secret.
func TestASpoiltLinkStillHasItsSecret(t *testing.T) {
	whole := secret.Random().Reveal()
	for _, around := range [][2]string{{"", "."}, {"", ")"}, {"", ">"}, {"<", ">"}, {"*", "*"}, {"", ","}, {"", " "}, {" ", "\u00a0"}, {"", "="}, {"\"", "\"."}, {"", "\r\n"}, {"", "]"}, {"'", "'"}} {
		if got := secret.Mailed(around[0] + whole + around[1]).Reveal(); got != whole {
			t.Errorf("%q: %q", around, got)
		}
	}
	for _, none := range []string{"", "x", whole[1:], whole + "x", whole + "." + whole, whole[:20] + " " + whole[20:]} {
		if got := secret.Mailed(none); got.Reveal() != none || secret.WellFormed(got) {
			t.Errorf("%q gave %q", none, got.Reveal())
		}
	}
}
