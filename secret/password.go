package secret

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Params are the costs of Argon2id (RFC 9106 §3.1).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8  // lanes
}

// DefaultParams is the least that OWASP's Password Storage Cheat Sheet recommends: 19 MiB, two passes, one lane.
var DefaultParams = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

const (
	saltLength = 16
	hashLength = 32
)

// normal is the one rule for Unicode in passwords: NFC, on setting and on trying. Canonical equivalents are equal
// (é typed as one or as two code points), compatibility characters are not (ﬁ is not fi).
func normal(password Text) []byte { return norm.NFC.Bytes([]byte(password.Reveal())) }

func (p Params) hash(password Text) string {
	var salt [saltLength]byte
	rand.Read(salt[:])
	sum := argon2.IDKey(normal(password), salt[:], p.Time, p.Memory, p.Threads, hashLength)
	return p.prefix() + base64.RawStdEncoding.EncodeToString(salt[:]) + "$" + base64.RawStdEncoding.EncodeToString(sum)
}

func (p Params) prefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, p.Memory, p.Time, p.Threads)
}

// work spends what checking a password costs today, and forgets the result.
func (p Params) work(password Text) {
	var salt [saltLength]byte
	argon2.IDKey(normal(password), salt[:], p.Time, p.Memory, p.Threads, hashLength)
}

// verify checks a password against any stored form that Accept accepts; what it would refuse matches nothing. cheap says that the
// check cost much less than today's parameters do.
func (p Params) verify(stored string, password Text) (ok, outdated, cheap bool) {
	r, err := read(stored)
	if err != nil {
		return false, false, true
	}
	if r.own == nil {
		return r.match(password), true, true
	}
	return r.match(password), r.own.weaker(p), r.own.Memory < p.Memory
}

func (p Params) weaker(than Params) bool { return p.Memory < than.Memory || p.Time < than.Time }

// Floor tells whether stored is an Argon2id hash at least as costly as p asks for.
func (p Params) Floor(stored string) bool {
	r, err := read(stored)
	return err == nil && r.own != nil && !r.own.weaker(p)
}
