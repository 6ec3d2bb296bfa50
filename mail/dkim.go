package mail

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// DKIM is one key that signs letters (RFC 6376). Give an RSA key, and an Ed25519 one beside it if you like: many
// receivers know only RSA.
type DKIM struct {
	Domain   string // signs for senders at this domain and below it
	Selector string // the public key is in DNS at Selector._domainkey.Domain
	Key      crypto.Signer
}

// dkimBits is the least length of an RSA key; a longer one does not fit one string of a TXT record.
const dkimBits = 2048

// signed are the headers that a receiver shows or judges by.
var signed = []string{"From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
	"Content-Language", "Auto-Submitted"}

// ParseDKIMKey reads an RSA (at least 2,048 bits) or Ed25519 key in PEM: PKCS #8, or PKCS #1 for RSA.
func ParseDKIMKey(b []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("the DKIM key is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return longEnough(key)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the DKIM key is neither PKCS #8 nor PKCS #1")
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		return longEnough(key)
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("the DKIM key must be RSA or Ed25519")
}

func longEnough(key *rsa.PrivateKey) (crypto.Signer, error) {
	if key.N.BitLen() < dkimBits {
		return nil, fmt.Errorf("the DKIM key has %d bits, less than %d", key.N.BitLen(), dkimBits)
	}
	return key, nil
}

// speaksFor tells whether the key's domain is a sender's domain, or above it.
func (k DKIM) speaksFor(sender string) bool {
	sender, domain := strings.ToLower(sender), strings.ToLower(k.Domain)
	return sender == domain || strings.HasSuffix(sender, "."+domain)
}

// Signs tells whether a key signs what this address sends.
func (t *Transport) Signs(sender string) bool {
	return slices.ContainsFunc(t.DKIM, func(k DKIM) bool { return k.speaksFor(domainOf(sender)) })
}

// Record is where the public key has to be published in DNS, and the text of the TXT record (RFC 6376 §3.6.1, RFC 8463).
func (k DKIM) Record() (name, text string, err error) {
	kind, public := "rsa", []byte(nil)
	switch key := k.Key.Public().(type) {
	case ed25519.PublicKey:
		kind, public = "ed25519", key
	default:
		public, err = x509.MarshalPKIXPublicKey(key)
	}
	return k.Selector + "._domainkey." + k.Domain, "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public), err
}

// GenerateDKIMKey makes a new key in PEM: RSA, which every receiver knows, or Ed25519.
func GenerateDKIMKey(kind string) ([]byte, error) {
	var key any
	var err error
	if kind == "ed25519" {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, dkimBits)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// sign puts a signature of each key that speaks for the sender's domain on top of the message.
func (t *Transport) sign(m message) (message, error) {
	sender := strings.ToLower(domainOf(m.from))
	var signatures bytes.Buffer
	for _, k := range t.DKIM {
		if !k.speaksFor(sender) {
			continue // a signature of a foreign domain helps nobody (DMARC alignment)
		}
		domain := strings.ToLower(k.Domain)
		signer, err := dkim.NewSigner(&dkim.SignOptions{
			Domain: domain, Selector: k.Selector, Signer: k.Key, HeaderKeys: signed,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		})
		if err != nil {
			return m, fmt.Errorf("sign for %s: %w", domain, err)
		}
		if _, err := signer.Write(m.raw); err != nil {
			return m, fmt.Errorf("sign for %s: %w", domain, err)
		}
		if err := signer.Close(); err != nil {
			return m, fmt.Errorf("sign for %s: %w", domain, err)
		}
		signatures.WriteString(signer.Signature())
	}
	m.raw = append(signatures.Bytes(), m.raw...)
	return m, nil
}
