package test

import (
	"testing"

	"github.com/emersion/go-smtp"
)

// TestDeferredLetterComesAgainTheSame lets the mail server say "later" once.
func TestDeferredLetterComesAgainTheSame(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.administrator()
		var first []letter
		s.post.answering(func(l letter, try int) *smtp.SMTPError {
			if try > 1 {
				return nil
			}
			first = append(first, l) // in the post office's lock, and read after the second try
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted, come back later"}
		})
		s.forgot(shopper)
		second := s.post.wait(shopper, 1)
		if len(first) != 1 {
			t.Fatalf("%d letters were refused, want 1", len(first))
		}
		if second.link() != first[0].link() {
			t.Error("the second try has another link")
		}
		if a, b := first[0].header.Get("Message-Id"), second.header.Get("Message-Id"); a != b || a == "" {
			t.Errorf("the Message-ID was %q, then %q", a, b)
		}
		b := newTab(t, look{})
		s.console(b)
		s.customerPage(b, shopper)
		b.see("Greylisted, come back later")
	})
}

// TestRefusedLetterIsShownAtOnce lets the mail server say "never".
func TestRefusedLetterIsShownAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		s.customer(shopper, "Camille", "Durand", oldPassword)
		s.administrator()
		asked := make(chan struct{}, 8)
		s.post.answering(func(letter, int) *smtp.SMTPError {
			asked <- struct{}{}
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox here"}
		})
		s.forgot(shopper)
		<-asked
		b := newTab(t, look{})
		s.console(b)
		err := eventually(delivery, func() error {
			s.customerPage(b, shopper)
			return b.shows("No such mailbox here")
		})
		if err != nil {
			t.Error(err)
		}
		if n := len(asked); n != 0 {
			t.Errorf("the refused letter was sent %d more times", n)
		}
	})
}
