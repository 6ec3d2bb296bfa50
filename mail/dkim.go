package mail

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
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
	if key.N.BitLen() < 2048 {
		return nil, fmt.Errorf("the DKIM key has %d bits, less than 2048", key.N.BitLen())
	}
	return key, nil
}

// sign puts a signature of each key that speaks for the sender's domain on top of the message.
func (t *Transport) sign(m message) (message, error) {
	sender := strings.ToLower(domainOf(m.from))
	var signatures bytes.Buffer
	for _, k := range t.DKIM {
		domain := strings.ToLower(k.Domain)
		if sender != domain && !strings.HasSuffix(sender, "."+domain) {
			continue // a signature of a foreign domain helps nobody (DMARC alignment)
		}
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
