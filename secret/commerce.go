package secret

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Adobe Commerce stores HASH:SALT:VERSION[:VERSION…], versions oldest first; each version's function takes the hex
// result of the one before it. Customers who come from there keep their passwords; signing in replaces the form.
//
//	0                           md5(salt + current)
//	1                           sha256(salt + current)
//	2                           Argon2id, 2 passes, 64 MiB, 32 bytes
//	3_<bytes>_<passes>_<memory> Argon2id with its parameters, memory in bytes
type commerceHash struct {
	sum, salt string
	steps     []func(current string) string
}

var errCommerce = errors.New("unknown password hash: want an Argon2id PHC string, a crypt string, or HASH:SALT:VERSION as Adobe Commerce stores it")

func parseCommerce(stored string) (commerceHash, error) {
	part := strings.SplitN(stored, ":", 3)
	if len(part) != 3 || part[0] == "" || part[1] == "" || len(stored) > 512 {
		return commerceHash{}, errCommerce
	}
	if _, err := hex.DecodeString(part[0]); err != nil {
		return commerceHash{}, errCommerce
	}
	h := commerceHash{sum: part[0], salt: part[1]}
	versions := strings.Split(part[2], ":")
	if len(versions) > 4 { // no released version makes longer chains, and each step costs
		return commerceHash{}, errCommerce
	}
	for _, v := range versions {
		step, err := commerceStep(v, h.salt)
		if err != nil {
			return commerceHash{}, err
		}
		h.steps = append(h.steps, step)
	}
	return h, nil
}

func commerceStep(version, salt string) (func(string) string, error) {
	argon := func(length, passes, kib uint32) func(string) string {
		return func(current string) string {
			return hex.EncodeToString(argon2.IDKey([]byte(current), commerceSalt(salt), passes, kib, 1, length))
		}
	}
	switch {
	case version == "0":
		return func(c string) string { s := md5.Sum([]byte(salt + c)); return hex.EncodeToString(s[:]) }, nil
	case version == "1":
		return func(c string) string { s := sha256.Sum256([]byte(salt + c)); return hex.EncodeToString(s[:]) }, nil
	case version == "2":
		return argon(32, 2, 64*1024), nil
	case strings.HasPrefix(version, "3_"):
		var n [3]uint64
		field := strings.Split(version[2:], "_")
		if len(field) != 3 {
			return nil, errCommerce
		}
		for i, f := range field {
			v, err := strconv.ParseUint(f, 10, 32)
			if err != nil {
				return nil, errCommerce
			}
			n[i] = v
		}
		if n[0] < 16 || n[0] > 64 || n[1] < 1 || n[1] > maxTime || n[2] < 8*1024 || n[2]/1024 > maxMemory {
			return nil, fmt.Errorf("the password hash asks for parameters outside of what is accepted: %s", version)
		}
		return argon(uint32(n[0]), uint32(n[1]), uint32(n[2]/1024)), nil
	}
	return nil, errCommerce
}

// commerceSalt makes the 16 bytes that Argon2id wants there: a short salt is repeated, a long one cut.
func commerceSalt(salt string) []byte {
	for len(salt) < 16 {
		salt += salt
	}
	return []byte(salt[:16])
}

func verifyCommerce(stored, password string) bool {
	h, err := parseCommerce(stored)
	if err != nil {
		return false
	}
	current := password
	for _, step := range h.steps {
		current = step(current)
	}
	return subtle.ConstantTimeCompare([]byte(current), []byte(h.sum)) == 1
}
