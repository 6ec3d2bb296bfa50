package secret

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"

	otherargon "github.com/go-crypt/x/argon2"
	"github.com/go-crypt/x/bcrypt"
	shacrypt "github.com/go-crypt/x/crypt"
	"github.com/go-crypt/x/yescrypt"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/pbkdf2"
	"golang.org/x/crypto/scrypt"
)

// The readers of the rows in forms. Each takes exactly what the software writes that makes such hashes, because what is written
// otherwise was damaged on the way, and what two programs could read differently is not bounded by either. Imported hashes were
// made from the bytes as typed; only our own Argon2id is made from NFC.

const (
	cryptDigits  = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" // of crypt(3)
	bcryptDigits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

var (
	bcrypt64 = base64.NewEncoding(bcryptDigits).WithPadding(base64.NoPadding)
	passlib  = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)
)

// same compares in constant time.
func same(got, want []byte) bool { return subtle.ConstantTimeCompare(got, want) == 1 }

// decimal reads digits and nothing else.
func decimal(text string) (int64, error) {
	if text == "" || len(text) > 10 || strings.Trim(text, "0123456789") != "" {
		return 0, errDamaged
	}
	return strconv.ParseInt(text, 10, 64)
}

// named reads "m=65536,t=3,p=4": each of the names once, and no other.
func named(text string, names ...string) (map[string]int64, error) {
	values := map[string]int64{}
	for _, field := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(field, "=")
		if name == "data" || name == "keyid" {
			return nil, fmt.Errorf("it was made with associated data (%s=…), which are not read", name)
		}
		n, err := decimal(value)
		if _, twice := values[name]; err != nil || twice || !slices.Contains(names, name) {
			return nil, errDamaged
		}
		values[name] = n
	}
	if len(values) != len(names) {
		return nil, errDamaged
	}
	return values, nil
}

// saltAndSum reads the two last parts of a hash.
func saltAndSum(e *base64.Encoding, salt, sum string) (_, _ []byte, err error) {
	a, err := e.DecodeString(salt)
	if err != nil {
		return nil, nil, errDamaged
	}
	b, err := e.DecodeString(sum)
	if err != nil || len(a) > maxSalt || len(b) < minSum || len(b) > maxSum {
		return nil, nil, errDamaged
	}
	return a, b, nil
}

// $argon2id$v=19$m=65536,t=3,p=4$salt$sum
func readArgon2(stored string) (reading, error) {
	part := strings.Split(stored, "$")
	if len(part) != 6 {
		return reading{}, errDamaged
	}
	if part[2] != "v="+strconv.Itoa(argon2.Version) {
		return reading{}, fmt.Errorf("it is of a version of Argon2 that is not read (%.8s); version %d is", part[2], argon2.Version)
	}
	asked, err := named(part[3], "m", "t", "p")
	if err != nil {
		return reading{}, err
	}
	// The length of the result goes into it: a cut one matches nothing, and no software asks for an odd one.
	salt, sum, err := saltAndSum(base64.RawStdEncoding.Strict(), part[4], part[5])
	if err != nil || len(salt) < 8 || len(sum)%4 != 0 || asked["m"] < 8*asked["p"] {
		return reading{}, errDamaged
	}
	r := reading{asks: map[string]int64{memoryKiB: asked["m"], passes: asked["t"], lanes: asked["p"],
		traversed: asked["m"] * min(asked["t"], maxMemory)}}
	t, m, p, n := uint32(asked["t"]), uint32(asked["m"]), uint32(asked["p"]), uint32(len(sum))
	switch part[1] {
	case "argon2id":
		r.own = &Params{Memory: m, Time: t, Threads: uint8(p)}
		r.match = func(password Text) bool { return same(argon2.IDKey(normal(password), salt, t, m, uint8(p), n), sum) }
	case "argon2i":
		r.match = func(password Text) bool {
			return same(argon2.Key([]byte(password.Reveal()), salt, t, m, uint8(p), n), sum)
		}
	case "argon2d":
		r.match = func(password Text) bool {
			return same(otherargon.DKey([]byte(password.Reveal()), salt, t, m, p, n), sum)
		}
	}
	return r, nil
}

// $2y$10$ and 22 digits of salt and 31 of the result; or passlib's $bcrypt-sha256$v=2,t=2b,r=10$salt$result
func readBcrypt(stored string) (reading, error) {
	const saltDigits, sumDigits = 22, 31
	part := strings.Split(stored, "$")
	prepare := func(password string) []byte { return []byte(password) }
	var spent, digits string
	switch {
	case len(part) == 4 && len(part[2]) == 2:
		spent, digits = part[2], part[3]
	case len(part) == 5 && part[1] == "bcrypt-sha256":
		version := strings.Split(part[2], ",")
		if len(version) != 3 || version[0] != "v=2" || !slices.Contains([]string{"t=2a", "t=2b", "t=2y"}, version[1]) || !strings.HasPrefix(version[2], "r=") {
			return reading{}, errDamaged
		}
		spent, digits = version[2][len("r="):], part[3]+part[4]
		prepare = func(password string) []byte {
			mac := hmac.New(sha256.New, []byte(part[3]))
			mac.Write([]byte(password))
			return []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		}
	default:
		return reading{}, errDamaged
	}
	n, err := decimal(spent)
	if err != nil || len(digits) != saltDigits+sumDigits {
		return reading{}, errDamaged
	}
	salt, err := bcrypt64.DecodeString(digits[:saltDigits])
	if err != nil {
		return reading{}, errDamaged
	}
	sum := digits[saltDigits:]
	if _, err := bcrypt64.Strict().DecodeString(sum); err != nil {
		return reading{}, errDamaged
	}
	return reading{asks: map[string]int64{cost: n}, match: func(password Text) bool {
		got, err := bcrypt.Key(prepare(password.Reveal()), salt, int(n))
		return err == nil && same(got, []byte(sum))
	}}, nil
}

// $pbkdf2-sha256$29000$salt$sum, with passlib's digits
func readPBKDF2(stored string) (reading, error) {
	part := strings.Split(stored, "$")
	if len(part) != 5 {
		return reading{}, errDamaged
	}
	digest := map[string]func() hash.Hash{"pbkdf2": sha1.New, "pbkdf2-sha1": sha1.New, "pbkdf2-sha224": sha256.New224, "pbkdf2-sha256": sha256.New,
		"pbkdf2-sha384": sha512.New384, "pbkdf2-sha512": sha512.New}[part[1]]
	n, err := decimal(part[2])
	if err != nil {
		return reading{}, err
	}
	salt, sum, err := saltAndSum(passlib, part[3], part[4])
	if err != nil {
		return reading{}, err
	}
	// Each block of the result costs all the rounds again.
	size := digest().Size()
	blocks := int64((len(sum) + size - 1) / size)
	return reading{asks: map[string]int64{rounds: n * blocks}, match: func(password Text) bool {
		return same(pbkdf2.Key([]byte(password.Reveal()), salt, int(n), len(sum), digest), sum)
	}}, nil
}

// $6$salt$sum, $6$rounds=656000$salt$sum
func readSHACrypt(stored string) (reading, error) {
	const roundsUnsaid, maxSaltDigits = 5000, 16
	digest, length := sha256.New, 43
	if strings.HasPrefix(stored, "$6$") {
		digest, length = sha512.New, 86
	}
	part := strings.Split(stored, "$")[2:]
	n := int64(roundsUnsaid)
	if said, ok := strings.CutPrefix(part[0], "rounds="); ok {
		var err error
		if n, err = decimal(said); err != nil {
			return reading{}, err
		}
		part = part[1:]
	}
	if len(part) != 2 || len(part[0]) > maxSaltDigits || len(part[1]) != length || strings.Trim(part[1], cryptDigits) != "" {
		return reading{}, errDamaged
	}
	return reading{asks: map[string]int64{rounds: n}, match: func(password Text) bool {
		return same(shacrypt.KeySHACrypt(digest, []byte(password.Reveal()), []byte(part[0]), int(n)), []byte(part[1]))
	}}, nil
}

// $scrypt$ln=16,r=8,p=1$salt$sum
func readScrypt(stored string) (reading, error) {
	part := strings.Split(stored, "$")
	if len(part) != 5 {
		return reading{}, errDamaged
	}
	asked, err := named(part[2], "ln", "r", "p")
	if err != nil {
		return reading{}, err
	}
	ln, r, p := asked["ln"], asked["r"], asked["p"]
	salt, sum, err := saltAndSum(base64.RawStdEncoding, part[3], part[4])
	if err != nil || ln < 1 || r < 1 || p < 1 {
		return reading{}, errDamaged
	}
	kib := scryptKiB(ln, r)
	asks := map[string]int64{memoryKiB: kib, blockSize: r, lanes: p, traversed: kib * min(p, maxMemory)}
	return reading{asks: asks, match: func(password Text) bool {
		got, err := scrypt.Key([]byte(password.Reveal()), salt, 1<<ln, int(r), int(p), len(sum))
		return err == nil && same(got, sum)
	}}, nil
}

// scryptKiB is the memory that 2^ln blocks of r times 128 bytes take; it says "too much" rather than run over.
func scryptKiB(ln, r int64) int64 {
	const most = 30
	if ln > most || r > 1<<most {
		return 1 << most
	}
	return max(1, r<<ln/8)
}

// $y$j9T$salt$sum; of yescrypt's settings those that crypt(3) makes.
func readYescrypt(stored string) (reading, error) {
	const sumDigits, maxLn, maxR = 43, 18, 32
	part := strings.Split(stored, "$")
	if len(part) != 5 || len(part[4]) != sumDigits || strings.Trim(part[2]+part[3]+part[4], cryptDigits) != "" {
		return reading{}, errDamaged
	}
	_, ln, r, err := yescrypt.DecodeSetting([]byte(part[2]))
	if err != nil || ln < 1 || ln > maxLn || r < 1 || r > maxR {
		return reading{}, fmt.Errorf("it was made with a setting that is not read (%.8s); $y$j… with up to 2^%d blocks is", part[2], maxLn)
	}
	salt, sum := yescrypt.Decode64([]byte(part[3])), yescrypt.Decode64([]byte(part[4]))
	if salt == nil || len(salt) > maxSalt || sum == nil {
		return reading{}, errDamaged
	}
	return reading{asks: map[string]int64{memoryKiB: scryptKiB(int64(ln), int64(r))}, match: func(password Text) bool {
		got, err := yescrypt.Key([]byte(password.Reveal()), salt, 1<<ln, r, 1, len(sum))
		return err == nil && same(got, sum)
	}}, nil
}
