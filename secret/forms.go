package secret

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A form is a way in which passwords are stored, here or in the software that a store comes from. To accept one more is to write
// one more row: how it begins, how a stored string is read, and how much of each thing it may ask for. What a reading asks for
// without a bound of its row is refused, so a form whose cost nobody bounded accepts nothing.
type form struct {
	name   string
	begins []string // nil: whatever begins otherwise
	read   func(stored string) (reading, error)
	bounds map[string]bound
}

// bound is how little and how much of something a stored hash may ask for.
type bound struct{ least, most int64 }

// reading is a stored hash that was understood; nothing was computed yet.
type reading struct {
	asks  map[string]int64 // what checking a password costs: each has its bound
	match func(password Text) bool
	own   *Params // of Argon2id: it is replaced only where it is weaker than today's
}

// What a stored hash may ask for at most, chosen so that checking it takes a few seconds at the very worst and never more memory
// than a small machine has: a poisoned row must be able to take neither the machine nor the slots in which passwords are checked.
const (
	maxStored    = 512        // characters of a stored hash
	maxMemory    = 256 * 1024 // KiB
	maxPasses    = 16         // of Argon2 over its memory
	maxLanes     = 8
	maxCost      = 15         // of bcrypt: 2^15 rounds
	maxRounds    = 10_000_000 // of PBKDF2 and SHA-crypt
	maxSalt      = 64         // bytes, where a salt is bytes
	minSum       = 16         // bytes of a result: less guards no password
	maxSum       = 64
	maxScryptP   = 16
	maxScryptR   = 64
	maxTraversed = 4 * maxMemory // KiB that all passes and lanes go through together
)

// The things that hashes ask for, as a refusal names them.
const (
	memoryKiB = "KiB of memory"
	passes    = "passes"
	lanes     = "lanes"
	rounds    = "rounds"
	cost      = "as its cost"
	steps     = "steps"
	blockSize = "as its block size"
	traversed = "KiB to go through"
)

// forms are all that is read.
var forms = []form{
	{"Argon2", []string{"$argon2id$", "$argon2i$", "$argon2d$"}, readArgon2,
		map[string]bound{memoryKiB: {8, maxMemory}, passes: {1, maxPasses}, lanes: {1, maxLanes}, traversed: {1, maxTraversed}}},
	{"bcrypt", []string{"$2a$", "$2b$", "$2y$", "$bcrypt-sha256$"}, readBcrypt, map[string]bound{cost: {4, maxCost}}},
	{"PBKDF2", []string{"$pbkdf2$", "$pbkdf2-sha1$", "$pbkdf2-sha224$", "$pbkdf2-sha256$", "$pbkdf2-sha384$", "$pbkdf2-sha512$"}, readPBKDF2,
		map[string]bound{rounds: {1, maxRounds}}},
	{"SHA-crypt", []string{"$5$", "$6$"}, readSHACrypt, map[string]bound{rounds: {1000, maxRounds}}},
	{"scrypt", []string{"$scrypt$"}, readScrypt,
		map[string]bound{memoryKiB: {1, maxMemory}, blockSize: {1, maxScryptR}, lanes: {1, maxScryptP}, traversed: {1, maxTraversed}}},
	{"yescrypt", []string{"$y$"}, readYescrypt, map[string]bound{memoryKiB: {1, maxMemory}}},
	{"Adobe Commerce", nil, readCommerce,
		map[string]bound{steps: {1, maxSteps}, memoryKiB: {0, maxMemory}, passes: {0, maxPasses}, traversed: {0, maxTraversed}}},
}

var (
	errUnknown = errors.New("this form of password hash is not known; known are Argon2, bcrypt, PBKDF2, SHA-crypt ($5$, $6$), scrypt, yescrypt and HASH:SALT:VERSION as Adobe Commerce stores it")
	errDamaged = errors.New("it is cut off or damaged, no password can match it")
)

// read understands a stored hash, or tells why no password will be compared with it. It is the only way to a comparison, when
// rows are imported and when somebody signs in.
func read(stored string) (reading, error) {
	if len(stored) > maxStored {
		return reading{}, fmt.Errorf("a password hash has at most %d characters; this one has %d", maxStored, len(stored))
	}
	for _, f := range forms {
		if !f.takes(stored) {
			continue
		}
		r, err := f.read(stored)
		if err == nil {
			err = f.within(r.asks)
		}
		if err != nil && !errors.Is(err, errUnknown) {
			err = fmt.Errorf("password hash (%s): %w", f.name, err)
		}
		return r, err
	}
	return reading{}, errUnknown
}

func (f form) takes(stored string) bool {
	if f.begins == nil {
		return !strings.HasPrefix(stored, "$")
	}
	return slices.ContainsFunc(f.begins, func(one string) bool { return strings.HasPrefix(stored, one) })
}

// within compares what a hash asks for with the bounds of its form, of which each must have been asked about.
func (f form) within(asks map[string]int64) error {
	for thing := range asks {
		if _, bounded := f.bounds[thing]; !bounded {
			return fmt.Errorf("nothing bounds how many %s it may ask for", thing)
		}
	}
	if len(f.bounds) == 0 || len(asks) != len(f.bounds) {
		return errors.New("nothing says what it may ask for")
	}
	for _, thing := range slices.Sorted(maps.Keys(f.bounds)) {
		b := f.bounds[thing]
		switch n := asks[thing]; {
		case n > b.most:
			return fmt.Errorf("it asks for %d %s; at most %d is accepted", n, thing, b.most)
		case n < b.least:
			return fmt.Errorf("it asks for %d %s; at least %d is what software writes", n, thing, b.least)
		}
	}
	return nil
}

// around is what other software puts before a hash that is one of ours without it.
var around = []string{"{CRYPT}", "{BLF-CRYPT}", "{SHA256-CRYPT}", "{SHA512-CRYPT}", "{ARGON2}", "{ARGON2I}", "{ARGON2ID}", "{bcrypt}", "{argon2}",
	":argon2:", "argon2", "bcrypt$"}

// Accept makes of a hash from other software what Verify checks: it takes off what stands around it. "" is no password, which
// databases write in several ways. The error names what is wrong, or the limit that the hash goes beyond.
func Accept(stored string) (string, error) {
	stored = strings.TrimSpace(stored)
	if stored == `\N` || strings.EqualFold(stored, "NULL") || stored == "*" || strings.HasPrefix(stored, "!") {
		return "", nil // none, or one that was made unusable
	}
	for _, prefix := range around {
		if rest, ok := strings.CutPrefix(stored, prefix); ok && strings.HasPrefix(rest, "$") {
			stored = rest
			break
		}
	}
	if rest, ok := strings.CutPrefix(stored, "{PBKDF2"); ok {
		if digest, hash, ok := strings.Cut(rest, "}"); ok && !strings.HasPrefix(hash, "$") {
			stored = "$pbkdf2" + strings.ToLower(digest) + "$" + hash
		}
	}
	if stored == "" {
		return "", nil
	}
	_, err := read(stored)
	return stored, err
}
