package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// Seal encrypts what a table must give back but must not show: AES-256-GCM (NIST SP 800-38D) under a key that is derived from
// the installation's for the purpose, with the id of the row as additional data, so that no row's secret opens as another's.
func (k Key) Seal(purpose string, id []byte, plain Text) []byte {
	gcm := k.gcm(purpose)
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	return gcm.Seal(nonce, nonce, []byte(plain.Reveal()), id)
}

// Open decrypts what Seal made for the same purpose and id, under k or the key that is accepted beside it. Errors: whatever was
// not, or under another key.
func (k Key) Open(purpose string, id, sealed []byte) (Text, error) {
	for _, key := range k.accepted() {
		if plain, ok := key.open(purpose, id, sealed); ok {
			return plain, nil
		}
	}
	return Text{}, errors.New("secret: not sealed by this key for this row")
}

// Reseal gives what a table holds sealed as k seals it. changed is false where k sealed it already. Errors: those of Open.
func (k Key) Reseal(purpose string, id, sealed []byte) (again []byte, changed bool, err error) {
	if _, ok := k.open(purpose, id, sealed); ok {
		return sealed, false, nil
	}
	plain, err := k.Open(purpose, id, sealed)
	if err != nil {
		return nil, false, err
	}
	return k.Seal(purpose, id, plain), true, nil
}

func (k Key) open(purpose string, id, sealed []byte) (Text, bool) {
	gcm := k.gcm(purpose)
	if len(sealed) < gcm.NonceSize() {
		return Text{}, false
	}
	plain, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], id)
	if err != nil {
		return Text{}, false
	}
	return NewText(string(plain)), true
}

func (k Key) gcm(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(k.mac("seal "+purpose, nil))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16
	}
	return gcm
}
