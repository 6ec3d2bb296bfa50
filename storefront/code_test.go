package storefront_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

const (
	codePage   = "/customer/account/resetcode"
	codePost   = "/customer/account/resetcodepost"
	letterPage = "/customer/account/loginbyletter"
	letterPost = "/customer/account/loginbyletterpost"
	signInPage = "/customer/account/logincode"
	signInPost = "/customer/account/logincodepost"
)

// codeIn is what the newest letter of a kind says to type.
func (s *street) codeIn(kind string) string {
	s.t.Helper()
	var queued []mail.Letter
	if err := s.db.Read(s.t.Context(), func(tx *db.Tx) (err error) {
		queued, _, err = mail.List(s.t.Context(), tx, mail.Query{Kind: kind, Limit: 100})
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	for _, letter := range queued {
		if content, err := s.letters[kind](s.t.Context(), letter); err == nil && content.Code != nil {
			return content.Code.Text.Reveal()
		}
	}
	s.t.Fatalf("no letter of kind %q has a code", kind)
	return ""
}

// The letter is read on a phone; its code is typed in the browser that asked.
func TestTheCodeLeadsToTheNewPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		b.post(forgotPost, "email", "camille@example.com")
		b.get(loginPage).says(t, "Type its code here", `href="`+codePage+`"`)
		b.get(loginPage).says(t, "Type the code from our email") // also when the notice is gone
		page := b.get(codePage)
		page.says(t, "Enter the Code", `autocomplete="one-time-code"`, `inputmode="text"`, "K7QM-3XTV", "Ask for another email")
		b.post(codePost, "code", "").says(t, "There is a problem", "Please enter the code.")
		code := s.codeIn("forgot")
		typed := b.post(codePost, "code", strings.ToLower(strings.Replace(code, "-", " ", 1)))
		if typed.Code != 303 || typed.Location != newPage {
			t.Fatalf("the code answers %d %s\n%s", typed.Code, typed.Location, typed.words())
		}
		if a := b.post(newPost, "password", "abc", "password_confirmation", "abc"); a.Code != 422 {
			t.Errorf("a short password answers %d", a.Code)
		}
		if a := b.post(newPost, "password", "second-password", "password_confirmation", "second-password"); a.Code != 303 || a.Location != loginPage {
			t.Fatalf("the new password answers %d %s", a.Code, a.Location)
		}
		b.signIn("camille@example.com", "second-password")
		if a := b.post(codePost, "code", code); a.Code != 422 {
			t.Errorf("the code of a used link answers %d", a.Code)
		}
	})
}

// TestEveryWrongCodeLooksTheSame compares the whole answers to codes that are wrong for any reason, for an address that is a
// customer's and for one that is nobody's. What was typed is not sent back, so that nothing needs to be left out.
func TestEveryWrongCodeLooksTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.set(shop.SignInByLetter, "1")
		s.customer("known@example.com", "first-password")
		for _, flow := range []struct{ ask, kind, page, post string }{
			{forgotPost, "forgot", codePage, codePost},
			{letterPost, "signin_code", signInPage, signInPost},
		} {
			answers := map[string]string{}
			try := func(why string, b *browser, code string) {
				t.Helper()
				a := b.post(flow.post, "code", code)
				if a.Code != http.StatusUnprocessableEntity {
					t.Errorf("%s: %s answers %d", flow.kind, why, a.Code)
				}
				answers[masked(a, "·", b.cookies["__Host-rekey-form"])] += why + "; "
			}
			with := func(email string) *browser {
				b := s.browser(lune)
				b.get(forgotPage)
				b.post(flow.ask, "email", email)
				b.get(loginPage) // takes the notice away
				return b
			}
			known, unknown, stranger := with("known@example.com"), with("unknown@example.com"), s.browser(lune)
			stranger.get(forgotPage)
			code := s.codeIn(flow.kind)
			try("wrong", known, "0000-0000")
			try("of nobody's letter", unknown, code)
			try("where nobody asked", stranger, code)
			for range 5 {
				try("wrong again", known, "0000-0000")
				try("wrong for nobody again", unknown, "0000-0000")
			}
			try("right, after too many tries", known, code)
			try("for nobody, after too many tries", unknown, code)
			if len(answers) != 1 {
				t.Errorf("%s: %d different answers:", flow.kind, len(answers))
				for a, why := range answers {
					t.Errorf("%s\n%s", why, a)
				}
			}
		}
	})
}

func TestSigningInByLetter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.customer("camille@example.com", "first-password")
		b := s.browser(lune)
		for _, path := range []string{letterPage, signInPage} {
			if a := b.get(path); a.Code != http.StatusNotFound {
				t.Errorf("where the store does not offer it, %s answers %d", path, a.Code)
			}
		}
		if strings.Contains(b.get(loginPage).Body, letterPage) {
			t.Error("the sign-in page offers it all the same")
		}
		s.set(shop.SignInByLetter, "1")
		b.get(loginPage+"?next=edit").says(t, "Sign in with a code by email", letterPage+"?next=edit")
		b.get(letterPage+"?next=edit").says(t, "Sign In by Email", "Email Address", `name="next" value="edit"`, "Sign in with your password")
		b.post(letterPost, "email", "camille@", "next", "edit").says(t, "There is a problem", "name@example.com")
		asked := b.post(letterPost, "email", "camille@example.com", "next", "edit")
		if asked.Code != 303 || asked.Location != signInPage+"?next=edit" {
			t.Fatalf("asking answers %d %s", asked.Code, asked.Location)
		}
		b.get(asked.Location).says(t, "If there is an account associated with camille@example.com you will receive an email with a code", "Enter the Code")
		code := s.codeIn("signin_code")

		other := s.browser(lune)
		other.post(letterPost, "email", "theo@example.com")
		if a := other.post(signInPost, "code", code); a.Code != 422 || other.signedIn() {
			t.Errorf("in another browser the code answers %d", a.Code)
		}
		in := b.post(signInPost, "code", code, "next", "edit")
		if in.Code != 303 || in.Location != "/customer/account/edit" || !b.signedIn() {
			t.Fatalf("the code answers %d %s\n%s", in.Code, in.Location, in.words())
		}
		if a := s.browser(lune).get(accountPage); a.Code != 303 {
			t.Errorf("a browser without a session gets %d", a.Code)
		}
	})
}

// A program that keeps cookies may ask twice: the cookie of its first question is no reason to demand a form key.
func TestAProgramMayAskTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		b := s.browser(lune)
		b.header = http.Header{} // neither Origin nor Sec-Fetch-Site
		for i := range 2 {
			if a := b.post(forgotPost, "email", "camille@example.com"); a.Code != 303 {
				t.Errorf("question %d answers %d", i+1, a.Code)
			}
		}
	})
}
