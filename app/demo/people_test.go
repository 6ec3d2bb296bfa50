package demo

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
)

func TestDemoIsTheSameEachTime(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	one := crowd(rand.New(rand.NewPCG(seed, seed)), now)
	two := crowd(rand.New(rand.NewPCG(seed, seed)), now)
	if !slices.Equal(one, two) {
		t.Error("two demos have other people")
	}
	if len(one) != atLune+atNordlicht {
		t.Errorf("there are %d people", len(one))
	}
}

func TestPeopleOfTheDemoCouldHaveRegistered(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	taken := map[string]bool{}
	for _, p := range slices.Concat(known(), crowd(rand.New(rand.NewPCG(seed, seed)), now)) {
		a, err := customer.ParseAddress(p.email)
		if err != nil {
			t.Errorf("%s: %v", p.email, err)
			continue
		}
		if key := p.website + a.Canonical(); taken[key] {
			t.Errorf("%s is there twice", p.email)
		} else {
			taken[key] = true
		}
		if p.password != "" {
			if _, err := (password.Rules{Min: 6, Classes: 1}).Check(secret.NewText(p.password), password.Person{Email: p.email, Names: []string{p.first, p.last}}); err != nil {
				t.Errorf("the password of %s: %v", p.email, err)
			}
		}
		if p.created.After(now) || p.lastSignIn.After(now) || !p.lastSignIn.IsZero() && p.lastSignIn.Before(p.created) {
			t.Errorf("%s: created %s, last sign-in %s", p.email, p.created, p.lastSignIn)
		}
	}
}
