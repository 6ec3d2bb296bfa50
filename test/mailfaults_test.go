package test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/rekeyhq/rekey/db"
)

// TestLettersOutlastAFailingMailServer lets the mail server fail in each way that mail servers do, mends it, and looks
// at what the shopper sees meanwhile and gets in the end.
func TestLettersOutlastAFailingMailServer(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		trusted, stranger := certificates(t)
		s.env = append(s.env, "SSL_CERT_FILE="+trusted.file)
		s.rekey("", "config", "set", "customer/password/max_requests_per_client", "0")
		says := func(code int, words string) func() {
			return func() {
				s.post.answering(func(_ letter, try int) *smtp.SMTPError {
					return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 2, 0}, Message: words}
				})
			}
		}
		welcome := func() { s.post.answering(nil) }
		// reopen is another mail server at the same address, and a node that is told how it must be reached.
		reopen := func(starttls string, with *tls.Config) func() {
			return func() {
				s.post.close()
				s.post.starttls = starttls
				s.post.open(with)
				s.node.stop()
				row := s.t
				s.t = t // the node outlives the row
				defer func() { s.t = row }()
				s.node, s.url = s.serve(strings.TrimPrefix(s.url, "http://"))
			}
		}
		release := make(chan struct{})
		for i, row := range []struct {
			why       string
			fail      func()
			state     string // of the letter while the fault lasts
			words     string // that the operator reads meanwhile
			mend      func()
			copies    int  // that reach the post office in the end
			again     bool // the letter has ended; the shopper asks once more
			noWaiting bool // the letter goes without another try
		}{
			{why: "the mail server is off", fail: s.post.close, state: "deferred", words: "could not connect", mend: func() { s.post.open(nil) }, copies: 1},
			{why: "it is closing down", fail: says(421, "closing down"), state: "deferred", words: "421 4.2.0 closing down", mend: welcome, copies: 1},
			{why: "greylisting", fail: says(451, "come back later"), state: "deferred", words: "451 4.2.0 come back later", mend: welcome, copies: 1},
			{why: "a full inbox that may be emptied", fail: says(452, "mailbox full"), state: "deferred", words: "452 4.2.0 mailbox full", mend: welcome, copies: 1},
			{why: "a full inbox that the server calls final", fail: says(552, "mailbox full"), state: "deferred", words: "552 5.2.0 mailbox full", mend: welcome, copies: 1},
			{why: "nobody lives there", fail: says(550, "no such mailbox"), state: "refused", words: "550 5.2.0 no such mailbox", mend: welcome, copies: 1, again: true},
			{why: "it takes the letter, and the line breaks before it says so", fail: func() { s.post.cutting(true) }, state: "deferred", words: "did not answer",
				mend: func() { s.post.cutting(false) }, copies: 2},
			{why: "it stalls", fail: func() { s.post.greeting(func() error { <-release; return nil }) }, state: "sending",
				mend: func() { s.post.hold(nil); close(release) }, copies: 1, noWaiting: true},
			{why: "it does not greet", fail: func() { s.post.greeting(func() error { return &smtp.SMTPError{Code: 554, Message: "go away"} }) }, state: "deferred",
				words: "go away", mend: func() { s.post.greeting(nil) }, copies: 1},
			{why: "somebody strips STARTTLS", fail: reopen("required", nil), state: "deferred", words: "nothing was sent in clear", mend: reopen("required", trusted.config), copies: 1},
			{why: "its certificate is another's", fail: reopen("required", stranger.config), state: "deferred", words: "nothing was sent in clear",
				mend: reopen("required", trusted.config), copies: 1},
		} {
			t.Run(row.why, func(t *testing.T) {
				email, healthy := numbered(2*i), numbered(2*i+1)
				s.t, s.post.t = t, t
				s.customer(email, "Camille", "Durand", oldPassword)
				want := s.words(healthy)
				row.fail()
				if got := s.words(email); got != want {
					t.Errorf("meanwhile the shopper reads\n%s\nand not\n%s", got, want)
				}
				first := s.stands(row.state)
				if !strings.Contains(first.words, row.words) {
					t.Errorf("the operator reads %q, not %q", first.words, row.words)
				}
				row.mend()
				switch {
				case row.again:
					s.timePasses()
					s.tables(func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM limits`); return err })
					s.words(email)
				case !row.noWaiting:
					s.timePasses()
				}
				last := s.stands("handed_over")
				if (last.id != first.id) != row.again {
					t.Errorf("letter %s ended, %s was sent", first.id, last.id)
				}
				letters := s.post.letters(email)
				if len(letters) != row.copies {
					t.Fatalf("%d copies came, want %d", len(letters), row.copies)
				}
				for _, l := range letters {
					if l.link() != letters[0].link() || l.header.Get("Message-Id") != "<"+last.id+"@lune.example>" {
						t.Errorf("a copy has the Message-ID %s and another link, or not that of letter %s", l.header.Get("Message-Id"), last.id)
					}
				}
				if got := s.get(strings.TrimPrefix(letters[0].link(), s.url)).status; got != http.StatusSeeOther {
					t.Errorf("its link gives %d", got)
				}
			})
		}
		s.t, s.post.t = t, t
	})
}

// words is what whoever asks for a link reads, with the address that was typed taken out.
func (s *store) words(email string) string {
	s.t.Helper()
	v := newVisitor(s.t)
	page := v.read(v.client.Get(s.page("forgotpassword")))
	got := v.post(s, page, "/customer/account/forgotpasswordpost", "email", email)
	if got.status != http.StatusOK || !strings.Contains(got.body, neutral) {
		s.t.Fatalf("asking for a link gave %d at %s", got.status, got.at)
	}
	return strings.ReplaceAll(hiddenInput.ReplaceAllString(got.body, "…"), email, "ADDRESS")
}

// standing is what the queue knows about a letter.
type standing struct{ id, state, words string }

// stands waits until the letter that was asked for last is in this state.
func (s *store) stands(state string) standing {
	s.t.Helper()
	ctx := context.Background()
	d, err := db.Open(ctx, s.database, db.Options{NoMigrate: true, MaxConns: 2})
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Close()
	var last standing
	err = eventually(delivery, func() error {
		return d.Read(ctx, func(tx *db.Tx) error {
			var id db.ID
			err := tx.Row(ctx, `SELECT id, state, last_words FROM letters WHERE kind = 'forgot' ORDER BY id DESC LIMIT 1`).
				Scan(&id, &last.state, &last.words)
			last.id = id.String()
			if err == nil && last.state != state {
				err = fmt.Errorf("the letter is %s (%s), not %s", last.state, last.words, state)
			}
			return err
		})
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return last
}

// certificate is what a mail server shows, and the file that says so.
type certificate struct {
	config *tls.Config
	file   string
}

// certificates makes one that the store is told to trust, and one of a stranger.
func certificates(t *testing.T) (trusted, stranger certificate) {
	t.Helper()
	for _, c := range []*certificate{&trusted, &stranger} {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "post.example"}, IsCA: true,
			BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		c.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
		c.file = filepath.Join(t.TempDir(), "roots.pem")
		if err := os.WriteFile(c.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return trusted, stranger
}
