package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt"
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

	// What a stored hash may ask for at most. A row that claims more is refused rather than computed: a poisoned
	// import must not be able to take the machine's memory.
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 8
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

// verify checks a password against any stored form that Known accepts. cheap says that the check cost much less than
// today's parameters do.
func (p Params) verify(stored string, password Text) (ok, outdated, cheap bool) {
	switch {
	case strings.HasPrefix(stored, "$argon2id$"):
		q, salt, sum, err := parseArgon2id(stored)
		if err != nil {
			return false, false, true
		}
		got := argon2.IDKey(normal(password), salt, q.Time, q.Memory, q.Threads, uint32(len(sum)))
		weaker := q.Memory < p.Memory || q.Time < p.Time
		return subtle.ConstantTimeCompare(got, sum) == 1, weaker, q.Memory < p.Memory
	case strings.HasPrefix(stored, "$"):
		decoder, err := crypt.NewDefaultDecoder()
		if err != nil {
			return false, false, true
		}
		digest, err := decoder.Decode(stored)
		if err != nil {
			return false, false, true
		}
		// Imported hashes were made from the bytes as typed, before this house normalised anything.
		return digest.Match(password.Reveal()), true, true
	default:
		return verifyCommerce(stored, password.Reveal()), true, true
	}
}

// Known tells whether a stored hash is of a form that Verify can check; imports refuse the rest by name.
func Known(stored string) error {
	switch {
	case strings.HasPrefix(stored, "$argon2id$"):
		_, _, _, err := parseArgon2id(stored)
		return err
	case strings.HasPrefix(stored, "$"):
		decoder, err := crypt.NewDefaultDecoder()
		if err == nil {
			_, err = decoder.Decode(stored)
		}
		if err != nil {
			return fmt.Errorf("unknown password hash: %w", err)
		}
		return nil
	default:
		_, err := parseCommerce(stored)
		return err
	}
}

// Floor tells whether stored is an Argon2id hash at least as costly as p asks for.
func (p Params) Floor(stored string) bool {
	q, _, _, err := parseArgon2id(stored)
	return err == nil && q.Memory >= p.Memory && q.Time >= p.Time
}

func parseArgon2id(s string) (p Params, salt, sum []byte, err error) {
	bad := func() (Params, []byte, []byte, error) {
		return Params{}, nil, nil, fmt.Errorf("not an Argon2id hash in PHC form")
	}
	part := strings.Split(s, "$")
	if len(part) != 6 || part[1] != "argon2id" || part[2] != "v="+strconv.Itoa(argon2.Version) {
		return bad()
	}
	for _, field := range strings.Split(part[3], ",") {
		name, value, _ := strings.Cut(field, "=")
		n, e := strconv.ParseUint(value, 10, 32)
		if e != nil {
			return bad()
		}
		switch name {
		case "m":
			p.Memory = uint32(n)
		case "t":
			p.Time = uint32(n)
		case "p":
			if n > maxThreads {
				return bad()
			}
			p.Threads = uint8(n)
		default:
			return bad()
		}
	}
	salt, err = base64.RawStdEncoding.DecodeString(part[4])
	if err != nil {
		return bad()
	}
	sum, err = base64.RawStdEncoding.DecodeString(part[5])
	if err != nil || len(sum) < 16 || len(sum) > 64 || len(salt) < 8 || len(salt) > 64 {
		return bad()
	}
	if p.Memory == 0 || p.Memory > maxMemory || p.Time == 0 || p.Time > maxTime || p.Threads == 0 {
		return bad()
	}
	return p, salt, sum, nil
}
