package secret

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"testing"
)

// Made of "Correct-Horse7" by passlib 1.7.4, mkpasswd 5.5.17 (libcrypt 4.4.33) and Python's hashlib.
var elsewhere = []struct{ form, stored string }{
	{"Argon2", "$argon2id$v=19$m=64,t=1,p=2$/H+vNYYQwvh/7907ZyxFKA$qFilMWBc4hdrohuZjwgjhg"},
	{"Argon2", "$argon2i$v=19$m=64,t=2,p=1$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw"},
	{"Argon2", "$argon2d$v=19$m=64,t=2,p=2$oBQCYIyxNoYQolRKqVUKYQ$13OZMcJSa7hP6pa366lCxA"},
	{"bcrypt", "$2a$04$nxoPshY4kBFj9WIVEOOqR.ip5eBTKrLQyQJEiPQyzu8tZWErS6T1O"},
	{"bcrypt", "$2b$04$rRAxp3FqtrYp60LzmvSUGuID52Q7iOORUquV5nxJ/gNOVApqJ6omK"},
	{"bcrypt", "$2y$04$3Qg076UdH8RbG0148.h9cOtA/poa0BV2OAKC/Afcp0hfKZX0MLQ0u"},
	{"bcrypt", "$bcrypt-sha256$v=2,t=2b,r=4$Ph8Qx.UaBxZjr0YR2Pss0O$kC.f1C237hZCXV1PteNnZVCIJ//WTmy"},
	{"PBKDF2", "$pbkdf2$10$CGEMAcD4vzem1Lq3NoZQKg$CqiqxiCkFVnA7llppG43jBFSyqs"},
	{"PBKDF2", "$pbkdf2-sha256$10$997buzfm/D8HoDSm9L7XOg$ijzaHWgIe.eNCpLN1806hx13nNkHwHxx681R/QNdZJM"},
	{"PBKDF2", "$pbkdf2-sha512$10$y5kT4nxvTWnt3RsDQAghxA$Oy2aQXY59YdG8ZfjoL.MIKcf7/oswHxOLVqxXDb/yo80P7pJhYsM1HJJjaMkuVgEQiB.0nXAqIjPgxKcq01S8g"},
	{"PBKDF2", "{PBKDF2-SHA256}10$CYHQOkdISQmB0Npbq5XSeg$yPUz1QmmOZOWMBEAYcwqMKlO8QH7WTL1l4I5RaMTHJQ"},
	{"SHA-crypt", "$5$rounds=1000$qv2phuuHLR4Iyy.u$XUGJ0MgIojnGrnHRmLb0pZHIdLSEGxDHp1ivMLOGCg5"},
	{"SHA-crypt", "$6$rounds=1000$6IG5InZ4xgC8mGr.$T2SIAJ4jjWqYYIhj/akTXzS8ELXh4UclFBEr78UqwdKdhiiLODonRv/W7ll.ZeZpQmmVcKkpERqYm7e7PS36H."},
	{"SHA-crypt", "$6$dTParCozlDwYmfn7$Wv3ZiQPsnvZVzPLMLz5uKrT9JCw7Nkv7oA6VD2JjwICLN6xFS.heUUgxNd.dXBxbjVfwQCDDAX.lDDVFJr0KD1"},
	{"scrypt", "$scrypt$ln=4,r=8,p=1$RSglJOS8l9JaK0VICSGkFA$Lkuwm+9L7V8toxNMoEr+/BZw/56oFkD7miQEk6LjTC8"},
	{"yescrypt", "$y$j75$8VE3bDwKn4WD11b138BJo1$mBd5FAYq5uA9uLELBYLlevlsCNFZGLqR55Y39GiEtV6"},
	{"Adobe Commerce", "21097a7d997cf0f49488e86b6a841122:Xy"},                                                  // Magento 1
	{"Adobe Commerce", "6966895cb8fd362d462f61d422da66d1:Xy"},                                                  // the salt behind the password
	{"Adobe Commerce", "e9b81e4e3888956b3cbffb1cc14ab493c633dc8885adc338eafa3f658acaad23:abcdefgh"},            // OpenMage
	{"Adobe Commerce", "E9B81E4E3888956B3CBFFB1CC14AB493C633DC8885ADC338EAFA3F658ACAAD23:abcdefgh:1"},          // a database that writes capitals
	{"Adobe Commerce", "5e5621058870de72a121fc94861842e0::0"},                                                  // no salt
	{"Adobe Commerce", "f0e8a676aa21bc21e252f2fe34bc7bdc45f596e9ee873af90c5f4a2d49877314::1"},                  //
	{"bcrypt", "{CRYPT}$2b$04$rRAxp3FqtrYp60LzmvSUGuID52Q7iOORUquV5nxJ/gNOVApqJ6omK"},                          // slapd
	{"bcrypt", "{BLF-CRYPT}$2y$04$3Qg076UdH8RbG0148.h9cOtA/poa0BV2OAKC/Afcp0hfKZX0MLQ0u"},                      // Dovecot
	{"bcrypt", "{bcrypt}$2a$04$nxoPshY4kBFj9WIVEOOqR.ip5eBTKrLQyQJEiPQyzu8tZWErS6T1O"},                         // Spring
	{"bcrypt", "bcrypt$$2b$04$rRAxp3FqtrYp60LzmvSUGuID52Q7iOORUquV5nxJ/gNOVApqJ6omK"},                          // Django
	{"Argon2", "argon2$argon2id$v=19$m=64,t=1,p=2$/H+vNYYQwvh/7907ZyxFKA$qFilMWBc4hdrohuZjwgjhg"},              // Django
	{"Argon2", ":argon2:$argon2id$v=19$m=64,t=1,p=2$/H+vNYYQwvh/7907ZyxFKA$qFilMWBc4hdrohuZjwgjhg"},            // MediaWiki
	{"bcrypt", "  $2b$04$rRAxp3FqtrYp60LzmvSUGuID52Q7iOORUquV5nxJ/gNOVApqJ6omK \t"},                            // a CHAR column
	{"SHA-crypt", "{SHA256-CRYPT}$5$rounds=1000$qv2phuuHLR4Iyy.u$XUGJ0MgIojnGrnHRmLb0pZHIdLSEGxDHp1ivMLOGCg5"}, // Dovecot
	{"Argon2", "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=2$/H+vNYYQwvh/7907ZyxFKA$qFilMWBc4hdrohuZjwgjhg"},          // Dovecot
	{"PBKDF2", "$pbkdf2-sha1$10$CGEMAcD4vzem1Lq3NoZQKg$CqiqxiCkFVnA7llppG43jBFSyqs"},                           //
	{"Adobe Commerce", "7640855aef9cb6ffd20229601d2904a2192e372b391db8230d7faf073b393e4c:salt:2"},              // of "password"
	{"Adobe Commerce", "2ad8ab9bff8862b806d7abf11cf24de12d77b63306b11d4d1d6fb6f7c4f1d648:KZ0ltQm3vW8rYb5cXd9eFg1hIj2kLn4p:3_32_2_67108864"},
}

func TestHashesOfOtherSoftwareSignIn(t *testing.T) {
	seen := map[string]bool{}
	h := NewHasher(Params{Memory: 64, Time: 1, Threads: 1}, 1)
	for _, row := range elsewhere {
		stored, err := Accept(row.stored)
		if err != nil {
			t.Errorf("%s is refused: %v", row.stored, err)
			continue
		}
		for _, f := range forms {
			if f.takes(stored) {
				if f.name != row.form {
					t.Errorf("%s is taken for %s", row.stored, f.name)
				}
				break
			}
		}
		seen[row.form] = true
		password := "Correct-Horse7"
		if strings.HasSuffix(stored, ":salt:2") {
			password = "password"
		}
		if ok, _, err := h.Verify(context.Background(), stored, NewText(password)); !ok || err != nil {
			t.Errorf("%s does not sign in: %v", row.stored, err)
		}
		if ok, _, err := h.Verify(context.Background(), stored, NewText(password+"x")); ok || err != nil {
			t.Errorf("%s signs in with another password: %v", row.stored, err)
		}
	}
	for _, f := range forms {
		if !seen[f.name] {
			t.Errorf("no hash of other software shows that %s is read as it is written", f.name)
		}
	}
}

// asking writes a hash of each form that asks for n of each thing that the form bounds. A form, or a bound, that is not here fails.
var asking = map[string]map[string]func(n int64) string{
	"Argon2": {
		memoryKiB: argon2Asking(func(n int64) [3]int64 { return [3]int64{n, 1, 1} }),
		passes:    argon2Asking(func(n int64) [3]int64 { return [3]int64{64, n, 1} }),
		lanes:     argon2Asking(func(n int64) [3]int64 { return [3]int64{1024, 1, n} }),
		traversed: argon2Asking(func(n int64) [3]int64 { return [3]int64{256 * 1024, n / (256 * 1024), 1} }),
	},
	"bcrypt": {cost: func(n int64) string {
		return fmt.Sprintf("$2b$%02d$rRAxp3FqtrYp60LzmvSUGuID52Q7iOORUquV5nxJ/gNOVApqJ6omK", n)
	}},
	"PBKDF2": {rounds: func(n int64) string {
		return fmt.Sprintf("$pbkdf2$%d$CGEMAcD4vzem1Lq3NoZQKg$CqiqxiCkFVnA7llppG43jBFSyqs", n)
	}},
	"SHA-crypt": {rounds: func(n int64) string { return fmt.Sprintf("$6$rounds=%d$salt$%s", n, strings.Repeat(".", 86)) }},
	"scrypt": {
		memoryKiB: func(n int64) string { return scryptAsking(int64(bits.Len64(uint64(n)))-1, 8, 1) },
		blockSize: func(n int64) string { return scryptAsking(4, n, 1) },
		lanes:     func(n int64) string { return scryptAsking(4, 8, n) },
		traversed: func(n int64) string { return scryptAsking(18, 8, n/(256*1024)) },
	},
	"yescrypt": {memoryKiB: func(n int64) string {
		r := n / (1 << 15) // with 2^18 blocks
		return "$y$jF" + string(cryptDigits[r-1]) + "$" + strings.Repeat(".", 22) + "$" + strings.Repeat(".", 43)
	}},
	"Adobe Commerce": {
		steps:     func(n int64) string { return strings.Repeat("0", 64) + ":salt" + strings.Repeat(":1", int(n)) },
		memoryKiB: func(n int64) string { return strings.Repeat("0", 64) + ":salt:3_32_1_" + strconv.FormatInt(n*1024, 10) },
		traversed: func(n int64) string {
			return strings.Repeat("0", 64) + fmt.Sprintf(":salt:3_32_%d_268435456", n/(256*1024))
		},
		passes: func(n int64) string {
			return strings.Repeat("0", 64) + fmt.Sprintf(":salt:3_32_%d_8192:3_32_1_8192", n-1)
		},
	},
}

func argon2Asking(of func(n int64) [3]int64) func(n int64) string {
	return func(n int64) string {
		mtp := of(n)
		return fmt.Sprintf("$argon2i$v=19$m=%d,t=%d,p=%d$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw", mtp[0], mtp[1], mtp[2])
	}
}

func scryptAsking(ln, r, p int64) string {
	return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$RSglJOS8l9JaK0VICSGkFA$Lkuwm+9L7V8toxNMoEr+/BZw/56oFkD7miQEk6LjTC8", ln, r, p)
}

// The next that can be asked for, where it is not one more.
var nextAsked = map[string]int64{"Argon2/" + traversed: 256 * 1024, "Adobe Commerce/" + traversed: 256 * 1024, "scrypt/" + memoryKiB: 256 * 1024, "scrypt/" + traversed: 256 * 1024, "yescrypt/" + memoryKiB: 1 << 15}

func TestNoStoredHashMayAskForMoreThanItsBound(t *testing.T) {
	for _, f := range forms {
		for thing, b := range f.bounds {
			write := asking[f.name][thing]
			if write == nil {
				t.Errorf("%s: nothing shows that %s are bounded", f.name, thing)
				continue
			}
			step := max(1, nextAsked[f.name+"/"+thing])
			if _, err := Accept(write(b.most)); err != nil {
				t.Errorf("%s with %d %s, which is the most: %v", f.name, b.most, thing, err)
			}
			for _, n := range []int64{b.most + step, 4 * b.most} {
				if f.name == "yescrypt" && n > 1<<20 {
					continue // it cannot be written
				}
				stored := write(n)
				if _, err := Accept(stored); err == nil || !strings.Contains(err.Error(), strconv.FormatInt(b.most, 10)) || !strings.Contains(err.Error(), f.name) {
					t.Errorf("%s with %d %s, where %d is the most: %v", f.name, n, thing, b.most, err)
				}
				if ok, _, cheap := DefaultParams.verify(stored, NewText("x")); ok || !cheap {
					t.Errorf("%s with %d %s is computed at sign-in", f.name, n, thing)
				}
			}
		}
	}
}

func TestAFormWithoutBoundsAcceptsNothing(t *testing.T) {
	for _, f := range []form{
		{name: "nothing bounded"},
		{name: "another thing bounded", bounds: map[string]bound{memoryKiB: {0, 1}}},
		{name: "one of two bounded", bounds: map[string]bound{rounds: {0, 10}}},
	} {
		if f.within(map[string]int64{rounds: 1, passes: 1}) == nil || f.within(nil) == nil {
			t.Errorf("%s: it is accepted", f.name)
		}
	}
}

// What no password can match must not be counted as a password kept.
func TestDamagedHashesAreRefused(t *testing.T) {
	const sha512, bcrypt31 = "$6$dTParCozlDwYmfn7$Wv3ZiQPsnvZVzPLMLz5uKrT9JCw7Nkv7oA6VD2JjwICLN6xFS.heUUgxNd.dXBxbjVfwQCDDAX.lDDVFJr0KD1", "rRAxp3FqtrYp60LzmvSUGuID52Q7iOORUquV5nxJ/gNOVApqJ6omK"
	for why, stored := range map[string]string{
		"a column cut it to 64 characters":          sha512[:64],
		"one character is missing":                  sha512[:len(sha512)-1],
		"longer than a hash":                        sha512 + "a",
		"a character that is none of crypt's":       sha512[:30] + "!" + sha512[31:],
		"a salt longer than crypt takes":            "$6$dTParCozlDwYmfn7x$" + strings.Repeat("a", 86),
		"fewer rounds than crypt makes":             "$6$rounds=999$salt$" + strings.Repeat("a", 86),
		"a bcrypt cost that is none":                "$2y$99$" + bcrypt31,
		"a bcrypt cost below the least":             "$2y$03$" + bcrypt31,
		"a bcrypt cost of letters":                  "$2y$1x$" + bcrypt31,
		"bcrypt with what is no digit of it":        "$2y$10$!!" + bcrypt31[2:],
		"bcrypt that is cut":                        "$2y$10$" + bcrypt31[:52],
		"bcrypt whose last digit cannot be written": "$2y$10$" + bcrypt31[:52] + "L",
		"crypt_blowfish's old mistake":              "$2x$10$" + bcrypt31,
		"bcrypt before it had a letter":             "$2$10$" + bcrypt31,
		"passlib's first bcrypt-sha256":             "$bcrypt-sha256$2b,10$Ph8Qx.UaBxZjr0YR2Pss0O$kC.f1C237hZCXV1PteNnZVCIJ//WTmy",
		"PBKDF2 without a round":                    "$pbkdf2-sha256$0$997buzfm/D8HoDSm9L7XOg$ijzaHWgIe.eNCpLN1806hx13nNkHwHxx681R/QNdZJM",
		"PBKDF2 with less than no round":            "$pbkdf2-sha256$-1$997buzfm/D8HoDSm9L7XOg$ijzaHWgIe.eNCpLN1806hx13nNkHwHxx681R/QNdZJM",
		"PBKDF2 with a result of a few bytes":       "$pbkdf2-sha256$1000$997buzfm/D8HoDSm9L7XOg$ijzaHWgI",
		"PBKDF2 in another base64":                  "$pbkdf2-sha256$1000$997buzfm/D8HoDSm9L7XOg$ijzaHWgI+eNCpLN1806hx13nNkHwHxx681R/QNdZJM",
		"PBKDF2 whose result costs all twice":       "$pbkdf2$5000001$CGEMAcD4vzem1Lq3NoZQKg$" + strings.Repeat("a", 32),
		"Argon2 that is cut":                        "$argon2id$v=19$m=64,t=1,p=1$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUB",
		"Argon2 with less memory than its lanes":    "$argon2id$v=19$m=15,t=1,p=2$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw",
		"Argon2 without passes":                     "$argon2id$v=19$m=64,t=0,p=1$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw",
		"Argon2 that says its memory twice":         "$argon2id$v=19$m=64,m=99999999,t=1,p=1$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw",
		"Argon2 of the former version":              "$argon2i$v=16$m=64,t=2,p=1$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw",
		"Argon2 with associated data":               "$argon2id$v=19$m=64,t=1,p=1,data=c3RvcmU$LYUwxthbS4lx7j3HGGPsXQ$P7wK/jjRqPZdiAw15uUBZw",
		"scrypt with more blocks than there are":    scryptAsking(63, 8, 1),
		"scrypt without blocks":                     scryptAsking(0, 8, 1),
		"scrypt with a huge block":                  scryptAsking(1, 9999999999, 1),
		"scrypt with a million lanes":               scryptAsking(1, 1, 1<<20),
		"yescrypt with other settings":              "$y$k75$8VE3bDwKn4WD11b138BJo1$mBd5FAYq5uA9uLELBYLlevlsCNFZGLqR55Y39GiEtV6",
		"yescrypt that is cut":                      "$y$j75$8VE3bDwKn4WD11b138BJo1$mBd5FAYq5uA9uLELBYLlevlsCNFZGLqR55Y39GiEt",
		"no hexadecimal":                            "hash:salt:1",
		"two digits":                                "ab:salt:1",
		"40 of 64 digits":                           "e9b81e4e3888956b3cbffb1cc14ab493c633dc88:salt:1",
		"the length of MD5 with SHA-256's version":  "21097a7d997cf0f49488e86b6a841122:salt:1",
		"five steps":                                strings.Repeat("0", 64) + ":salt:0:1:2:2:2",
		"a version that nobody made":                strings.Repeat("0", 64) + ":salt:4",
		"no version":                                strings.Repeat("0", 64) + ":salt:",
		"Argon2 without a salt":                     strings.Repeat("0", 64) + "::2",
		"Commerce's Argon2 with all memory":         strings.Repeat("0", 64) + ":salt:3_32_2_99999999999",
		"no salt and no version":                    strings.Repeat("0", 32) + ":",
		"a megabyte":                                "$6$salt$" + strings.Repeat("a", 1<<20),
		"bare hexadecimal, of many sorts":           strings.Repeat("0", 32),
		"words":                                     "secret",
		"WordPress":                                 "$P$B12345678abcdefghijklmnopqrstuv",
		"Dovecot's PBKDF2, which looks like md5":    "{PBKDF2}$1$4MZ4xgbzIEt2Iqyy$5000$7c7ff0a1b6d8a8b4b1d1a0a0b6f5f6d6c0b0a0f0",
		"md5-crypt":                                 "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
	} {
		if _, err := Accept(stored); err == nil {
			t.Errorf("%s: it is accepted", why)
		} else if len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: no sentence: %.400s", why, err)
		}
		if ok, _, _ := DefaultParams.verify(stored, NewText("x")); ok {
			t.Errorf("%s: it matches", why)
		}
	}
}

func TestNoPasswordIsWrittenInManyWays(t *testing.T) {
	for _, stored := range []string{"", "  ", "NULL", "null", `\N`, "*", "!", "!!", "!oxe6kSgd6GtoYgwF3zQ0ZnQWJwkHzbU2CcXBLNNd"} {
		if got, err := Accept(stored); got != "" || err != nil {
			t.Errorf("%q is %q, %v", stored, got, err)
		}
	}
}
