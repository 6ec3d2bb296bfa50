package secret

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// maxSteps is how long a chain of versions may be: no released version makes longer ones.
const maxSteps = 4

// commerceStep is one function of a chain: it takes the hex result of the one before it.
type commerceStep struct {
	bytes       int64 // of its result
	passes, kib int64 // of Argon2id
	run         func(current, salt string) []byte
}

func sumMD5(text string) []byte    { s := md5.Sum([]byte(text)); return s[:] }
func sumSHA256(text string) []byte { s := sha256.Sum256([]byte(text)); return s[:] }

// Adobe Commerce stores HASH:SALT:VERSION[:VERSION…], versions oldest first. Customers who come from there keep their passwords;
// signing in replaces the form.
//
//	0                           md5(salt + current)
//	1                           sha256(salt + current)
//	2                           Argon2id, 2 passes, 64 MiB, 32 bytes
//	3_<bytes>_<passes>_<memory> Argon2id with its parameters, memory in bytes
//
// Magento 1 and the shops that came of it store HASH:SALT alone. Others store the same with the salt behind the password; a hash
// does not say which of the two it is, so both are tried.
func readCommerce(stored string) (reading, error) {
	part := strings.SplitN(stored, ":", 3)
	if len(part) == 1 {
		return reading{}, errUnknown
	}
	sum, err := hex.DecodeString(part[0])
	if err != nil || len(part[1]) > maxSalt {
		return reading{}, errDamaged
	}
	salt, versions := part[1], ""
	if len(part) == 3 {
		versions = part[2]
	} else if plain := map[int]string{md5.Size: "0", sha256.Size: "1"}[len(sum)]; plain != "" && salt != "" {
		versions = plain
	} else {
		return reading{}, errDamaged
	}
	var chain []commerceStep
	asks := map[string]int64{memoryKiB: 0, passes: 0, traversed: 0}
	for _, version := range strings.Split(versions, ":") {
		step, err := readStep(version)
		if err != nil {
			return reading{}, err
		}
		if step.passes > 0 && salt == "" {
			return reading{}, errDamaged
		}
		asks[memoryKiB] = max(asks[memoryKiB], step.kib)
		asks[passes] += step.passes
		asks[traversed] += step.kib * min(step.passes, maxMemory)
		chain = append(chain, step)
	}
	asks[steps] = int64(len(chain))
	if int64(len(sum)) != chain[len(chain)-1].bytes {
		return reading{}, errDamaged
	}
	turned := len(part) == 2
	return reading{asks: asks, match: func(password Text) bool {
		if turned && same(chain[0].run(salt, password.Reveal()), sum) {
			return true
		}
		current := password.Reveal()
		var got []byte
		for _, step := range chain {
			got = step.run(current, salt)
			current = hex.EncodeToString(got)
		}
		return same(got, sum)
	}}, nil
}

func readStep(version string) (commerceStep, error) {
	argon := func(bytes, passes, kib int64) commerceStep {
		return commerceStep{bytes, passes, kib, func(current, salt string) []byte {
			return argon2.IDKey([]byte(current), commerceSalt(salt), uint32(passes), uint32(kib), 1, uint32(bytes))
		}}
	}
	switch version {
	case "0":
		return commerceStep{bytes: md5.Size, run: func(c, salt string) []byte { return sumMD5(salt + c) }}, nil
	case "1":
		return commerceStep{bytes: sha256.Size, run: func(c, salt string) []byte { return sumSHA256(salt + c) }}, nil
	case "2":
		return argon(sha256.Size, 2, 64*1024), nil
	}
	field := strings.Split(version, "_")
	if len(field) != 4 || field[0] != "3" {
		return commerceStep{}, fmt.Errorf("it is of a version that is not read (%.20q)", version)
	}
	var n [3]int64
	for i, text := range field[1:] {
		var err error
		if n[i], err = decimal(text); err != nil {
			return commerceStep{}, err
		}
	}
	if n[0] < minSum || n[0] > maxSum || n[1] < 1 || n[2] < 8*1024 {
		return commerceStep{}, errDamaged
	}
	return argon(n[0], n[1], n[2]/1024), nil
}

// commerceSalt makes the 16 bytes that Argon2id wants there: a short salt is repeated, a long one cut.
func commerceSalt(salt string) []byte {
	for len(salt) < 16 {
		salt += salt
	}
	return []byte(salt[:16])
}
