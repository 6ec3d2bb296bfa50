// Package puzzle asks for a proof of work while a website is under attack, and for nothing otherwise. It owns the tables
// alarms and spent_puzzles. The proof is ALTCHA's (proof of work 2: PBKDF2), so that its widget solves it in the browser;
// nothing is asked of anybody else.
//
// Promises:
//   - No oracle: whether a proof is asked for, and which, hangs on the website and on the form, never on what is typed in it.
//   - A proof is good once, for one form of one website, until it expires; of many at once one wins, over nodes. So is a
//     ticket, the way around for browsers that cannot do the work: it is good once it has waited.
//   - Nobody has to read, hear or recognise anything (WCAG 2.2, 3.3.8). How many forms one client can send by waiting is
//     limited; what it sends with proofs is limited as ever.
//   - What is not a proof costs no more than a look at its signature; nothing is stored for a challenge until it is solved.
//   - An attack is what is far above the website's usual rate, by the audit of all nodes: see alarm.go.
package puzzle

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Form is what a proof is for. One for a form is worth nothing at another.
type Form string

// The forms that are protected.
const (
	SignIn  Form = "sign-in"
	Reset   Form = "reset"
	Account Form = "account"
)

// Service poses puzzles and judges answers.
type Service struct {
	DB  *db.DB
	Key secret.Key
}

const (
	// life is how long a challenge and a ticket can be used: longer than anybody leaves a form open and still expects it
	// to work, and short enough that spent ones need not be kept for long.
	life = time.Hour
	// algorithm is PBKDF2 because a browser has it built in: a laptop's browser is then hardly slower than an attacker's
	// program on the same processor.
	algorithm = "PBKDF2/SHA-256"
	keyLength = 32
	// prefix is what the derived key must begin with: one try in 256 does.
	prefix = "00"
	// maxSolution bounds what is looked at; a real one has some 500 bytes.
	maxSolution = 2 << 10
)

// cost is how many rounds of PBKDF2 one try takes. A proof takes 256 tries on average; checking it takes one.
func cost(v *shop.View) int {
	switch v.Text(shop.ProtectionDifficulty) {
	case shop.DifficultyLight:
		return 1_000
	case shop.DifficultyHeavy:
		return 16_000
	}
	return 4_000
}

// challenge, parameters and solution are ALTCHA's, with the fields in the order of their names: so they are signed.
type challenge struct {
	Parameters parameters `json:"parameters"`
	Signature  string     `json:"signature"`
}

type parameters struct {
	Algorithm string `json:"algorithm"`
	Cost      int    `json:"cost"`
	Data      data   `json:"data"`
	KeyLength int    `json:"keyLength"`
	KeyPrefix string `json:"keyPrefix"`
	Nonce     string `json:"nonce"`
	Salt      string `json:"salt"`
}

// data holds when the challenge expires. ALTCHA's own expiresAt is left out: the widget judges it by the browser's clock,
// and one that is wrong would never get to an end.
type data struct {
	Expires int64 `json:"expires"`
}

type payload struct {
	Challenge challenge `json:"challenge"`
	Solution  struct {
		Counter    uint32  `json:"counter"`
		DerivedKey string  `json:"derivedKey"`
		Time       float64 `json:"time"`
	} `json:"solution"`
}

// pose makes a challenge. It is stored nowhere: the signature says that it is ours.
func (s *Service) pose(v *shop.View, f Form, now time.Time) (string, error) {
	var random [32]byte
	rand.Read(random[:])
	p := parameters{Algorithm: algorithm, Cost: cost(v), Data: data{now.Add(life).Unix()}, KeyLength: keyLength, KeyPrefix: prefix,
		Nonce: hex.EncodeToString(random[:16]), Salt: hex.EncodeToString(random[16:])}
	signatures, err := s.sign(v, f, p)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(challenge{p, signatures[0]})
	return string(text), err
}

// sign binds a challenge to the installation, the website and the form. The first signature is the one that is given, any of them
// is accepted.
func (s *Service) sign(v *shop.View, f Form, p parameters) (signatures []string, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	for _, key := range s.Key.Derived("puzzle "+string(f), binary.BigEndian.AppendUint64(nil, uint64(v.WebsiteID))) {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write(text)
		signatures = append(signatures, hex.EncodeToString(mac.Sum(nil)))
	}
	return signatures, nil
}

// token is what is spent when a proof or a ticket is used.
type token struct {
	id      db.ID
	expires time.Time
	waited  bool // it was not worked for: counted per client
}

// proof judges a solution by everything but whether it was used before, the cheap questions first.
func (s *Service) proof(v *shop.View, f Form, text string, now time.Time) (token, bool) {
	if text == "" || len(text) > maxSolution {
		return token{}, false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return token{}, false
	}
	var given payload
	if json.Unmarshal(raw, &given) != nil || !strings.HasPrefix(given.Solution.DerivedKey, prefix) {
		return token{}, false
	}
	p := given.Challenge.Parameters
	signatures, err := s.sign(v, f, p)
	if err != nil || !slices.ContainsFunc(signatures, func(ours string) bool { return hmac.Equal([]byte(ours), []byte(given.Challenge.Signature)) }) {
		return token{}, false
	}
	expires := time.Unix(p.Data.Expires, 0)
	if !now.Before(expires) {
		return token{}, false
	}
	// From here on the parameters are ours, and so is what they cost.
	nonce, _ := hex.DecodeString(p.Nonce)
	salt, _ := hex.DecodeString(p.Salt)
	key, err := pbkdf2.Key(sha256.New, string(binary.BigEndian.AppendUint32(nonce, given.Solution.Counter)), salt, p.Cost, p.KeyLength)
	if err != nil || !hmac.Equal([]byte(hex.EncodeToString(key)), []byte(given.Solution.DerivedKey)) {
		return token{}, false
	}
	return token{id: db.ID(nonce), expires: expires}, true
}

// spend uses a token up; of many at once one is told true.
func spend(ctx context.Context, tx *db.Tx, t token) (bool, error) {
	n, err := tx.Exec(ctx, "INSERT INTO spent_puzzles (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", t.id, db.Micro(t.expires))
	return n == 1, err
}

// Sweep forgets tokens that have expired long enough for no clock to make them good again, at most that many.
func Sweep(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM spent_puzzles WHERE id IN (SELECT id FROM spent_puzzles WHERE expires_at < $1 LIMIT $2`+
		tx.SkipLocked()+`)`, db.Micro(now.Add(-db.ClockSteps)), most)
}
