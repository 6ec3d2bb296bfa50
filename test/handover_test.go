package test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKilledAtTheHandOverALetterComesOnceOrTwice kills the server while it hands a letter over: before the mail server has said
// that it took it, and in the moment after. The letter comes at least once and at most twice, byte for byte the same.
func TestKilledAtTheHandOverALetterComesOnceOrTwice(t *testing.T) {
	eachArena(t, func(t *testing.T, a *arena) {
		a.unlimited()
		random := dice(t)
		twice := 0
		for round := range rounds(t, 4, 2) {
			email := fmt.Sprintf("handed%03d@example.com", round)
			a.customer(email, "Camille", "Durand", oldPassword)
			afterItSaidSo := round%2 == 1
			moment := time.Duration(random.Int64N(int64(2 * time.Millisecond)))
			killed := make(chan struct{})
			var once sync.Once
			a.post.taking(func(l letter, said bool) {
				if l.to != email || said != afterItSaidSo {
					return
				}
				once.Do(func() {
					if said && round%4 == 3 {
						<-time.After(moment) // it may have been recorded by now, or not
					}
					for _, node := range a.nodes {
						node.kill()
					}
					close(killed)
				})
			})
			if got := a.does(newGuest(luneHost), "POST", "/customer/account/forgotpasswordpost", url.Values{"email": {email}}); got.status != http.StatusSeeOther {
				t.Fatalf("asking gives %d", got.status)
			}
			select {
			case <-killed:
			case <-time.After(delivery):
				t.Fatalf("no letter came to %s", email)
			}
			a.post.taking(nil)
			for k := range a.nodes {
				a.revive(k)
			}
			a.timePasses() // until the dead node's lease has run out
			a.queueIsEmpty(draining)
			letters := a.post.letters(email)
			if len(letters) < 1 || len(letters) > 2 || !afterItSaidSo && len(letters) != 2 {
				t.Fatalf("%d letters came to %s", len(letters), email)
			}
			for _, l := range letters[1:] {
				twice++
				if l.raw != letters[0].raw {
					t.Errorf("the second letter to %s differs from the first:\n%s\n%s", email, letters[0].raw, l.raw)
				}
			}
			for i, want := range []string{"200", "400"} { // the link of both is one, and is spent once
				if got := a.asked(resetByAPI(email, letters[i%len(letters)].secret(), newPassword)); !strings.HasPrefix(fmt.Sprint(got.status), want) {
					t.Errorf("use %d of the link gives %d, want %s", i+1, got.status, want)
				}
			}
		}
		t.Logf("%d letters came twice", twice)
	})
}
