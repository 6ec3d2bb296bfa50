// Package passkey speaks WebAuthn (W3C, Web Authentication Level 3) for the packages that keep passkeys. It owns no table and
// knows no customer: it writes what a browser is asked for, and judges what comes back.
//
// Promises:
//   - A passkey is good for the host that it was made under, and for the page's own origin only: an answer that was given to
//     another site, to another port or inside a frame is refused.
//   - The person was verified by the device (fingerprint, face, PIN), each time; a touch alone is not enough.
//   - An answer is for one challenge. That a challenge is used once is the caller's promise.
//   - What is kept of a passkey is public: nothing here can sign anybody in.
package passkey

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	// ChallengeLength is the length of a challenge in bytes (WebAuthn §13.4.3 asks for 16 at least).
	ChallengeLength = 32
	// patience is how long a browser may wait for the person.
	patience = 5 * time.Minute
	// maxCredentialID is the longest id that an authenticator may give (WebAuthn §5.8.3).
	maxCredentialID = 1023
)

// Party is who asks: a site that passkeys are made for.
type Party struct {
	ID     string // the host; what a passkey is bound to
	Name   string // what the person reads
	Origin string // where the page is, exactly
}

// At is the party of a page's address. ok is false where browsers make no passkeys: at a bare IP address, and over plain http
// beyond the machine itself.
func At(address, name string) (p Party, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return Party{}, false
	}
	host := strings.ToLower(u.Hostname())
	local := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if net.ParseIP(host) != nil || u.Scheme != "https" && !(u.Scheme == "http" && local) || protocol.ValidateRPID(host) != nil {
		return Party{}, false
	}
	return Party{ID: host, Name: name, Origin: u.Scheme + "://" + strings.ToLower(u.Host)}, true
}

// Owner is whom a passkey is made for. Handle is what the authenticator keeps instead of a name (WebAuthn §14.6.1: nothing
// personal), Name and Label are what its list shows.
type Owner struct {
	Handle      []byte
	Name, Label string
}

// Credential is what is kept of a passkey.
type Credential struct {
	ID, PublicKey []byte
	Count         uint32 // the authenticator's own; 0 where it keeps none
	Synced        bool   // it may be on more than one device; this never changes
	Transports    []string
}

// ErrRefused is every answer that is not good: another origin, another challenge, another key, no verification of the person.
var ErrRefused = errors.New("passkey: refused")

// ErrCopied is an answer by the right key whose count did not go up: there may be two of the authenticator (WebAuthn §6.1.1).
var ErrCopied = errors.New("passkey: the authenticator's count went backwards")

func refused(err error) error { return fmt.Errorf("%w: %w", ErrRefused, err) }

func (p Party) relying() (*webauthn.WebAuthn, error) {
	limit := webauthn.TimeoutConfig{Timeout: patience, TimeoutUVD: patience}
	return webauthn.New(&webauthn.Config{RPID: p.ID, RPDisplayName: p.Name, RPOrigins: []string{p.Origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired,
			RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired},
		// Extensions are asked for by nobody, and what one says is read by nobody.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
		Timeouts:                          webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
}

// owner is an Owner with credentials, as the library wants them.
type owner struct {
	Owner
	has []webauthn.Credential
}

func (o owner) WebAuthnID() []byte                         { return o.Handle }
func (o owner) WebAuthnName() string                       { return o.Name }
func (o owner) WebAuthnDisplayName() string                { return o.Label }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.has }

func descriptors(all []Credential) []protocol.CredentialDescriptor {
	out := make([]protocol.CredentialDescriptor, 0, len(all))
	for _, c := range all {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: c.ID}
		for _, t := range c.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, d)
	}
	return out
}

// Creation is what the browser is asked for a new passkey, as PublicKeyCredentialCreationOptionsJSON. The authenticators of have
// say that they have one already.
func (p Party) Creation(challenge []byte, o Owner, have []Credential) (string, error) {
	rp, err := p.relying()
	if err != nil {
		return "", err
	}
	creation, _, err := rp.BeginRegistration(owner{Owner: o}, webauthn.WithExclusions(descriptors(have)),
		webauthn.WithCredentialParameters(webauthn.CredentialParametersRecommendedL3()),
		func(to *protocol.PublicKeyCredentialCreationOptions) error { to.Challenge = challenge; return nil })
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(creation.Response)
	return string(text), err
}

// Created judges the answer to Creation. Errors: ErrRefused.
func (p Party) Created(challenge []byte, o Owner, answer string) (Credential, error) {
	rp, err := p.relying()
	if err != nil {
		return Credential{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return Credential{}, refused(err)
	}
	made, err := rp.CreateCredential(owner{Owner: o}, webauthn.SessionData{Challenge: encode(challenge), RelyingPartyID: p.ID, Origin: p.Origin,
		UserID: o.Handle, UserVerification: protocol.VerificationRequired, CredParams: webauthn.CredentialParametersRecommendedL3()}, parsed)
	if err != nil {
		return Credential{}, refused(err)
	}
	if len(made.ID) > maxCredentialID {
		return Credential{}, refused(errors.New("its id is too long"))
	}
	c := Credential{ID: made.ID, PublicKey: made.PublicKey, Count: made.Authenticator.SignCount, Synced: made.Flags.BackupEligible}
	for _, t := range made.Transport {
		if known(t) {
			c.Transports = append(c.Transports, string(t))
		}
	}
	return c, nil
}

// known keeps what a browser says about transports to the words of the specification: they go back into pages.
func known(t protocol.AuthenticatorTransport) bool {
	switch t {
	case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
		return true
	}
	return false
}

// Request is what the browser is asked for a passkey that is there, as PublicKeyCredentialRequestOptionsJSON. Without allowed
// ones the person chooses among all that were made for this site, so that nobody has to say first who they are.
func (p Party) Request(challenge []byte, allowed []Credential) (string, error) {
	rp, err := p.relying()
	if err != nil {
		return "", err
	}
	options := []webauthn.LoginOption{webauthn.WithChallenge(challenge)}
	if len(allowed) > 0 {
		options = append(options, webauthn.WithAllowedCredentials(descriptors(allowed)))
	}
	asked, _, err := rp.BeginDiscoverableLogin(options...)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(asked.Response)
	return string(text), err
}

// Answer is what came back for a Request, not judged yet.
type Answer struct {
	CredentialID []byte
	Handle       []byte // may be missing where the browser was told which passkeys are allowed
	parsed       *protocol.ParsedCredentialAssertionData
}

// ParseAnswer reads an answer. Errors: ErrRefused.
func ParseAnswer(text string) (Answer, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(text))
	if err != nil {
		return Answer{}, refused(err)
	}
	return Answer{CredentialID: parsed.RawID, Handle: parsed.Response.UserHandle, parsed: parsed}, nil
}

// Verify judges an answer by the credential that it names, and returns the authenticator's count from now on. handle is what the
// passkey was made under. Errors: ErrRefused; ErrCopied.
func (p Party) Verify(challenge []byte, a Answer, c Credential, handle []byte) (count uint32, err error) {
	rp, err := p.relying()
	if err != nil {
		return 0, err
	}
	if len(a.Handle) > 0 && !bytes.Equal(a.Handle, handle) {
		return 0, refused(errors.New("it was made for somebody else"))
	}
	flags := protocol.FlagUserPresent | protocol.FlagUserVerified
	if c.Synced {
		flags |= protocol.FlagBackupEligible
	}
	who := owner{Owner: Owner{Handle: handle}, has: []webauthn.Credential{{ID: c.ID, PublicKey: c.PublicKey,
		Flags: webauthn.NewCredentialFlags(flags), Authenticator: webauthn.Authenticator{SignCount: c.Count}}}}
	used, err := rp.ValidateLogin(who, webauthn.SessionData{Challenge: encode(challenge), RelyingPartyID: p.ID, Origin: p.Origin,
		UserID: handle, UserVerification: protocol.VerificationRequired}, a.parsed)
	if err != nil {
		return 0, refused(err)
	}
	if used.Authenticator.CloneWarning {
		return 0, ErrCopied
	}
	return used.Authenticator.SignCount, nil
}

func encode(challenge []byte) string { return base64.RawURLEncoding.EncodeToString(challenge) }
