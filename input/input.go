// Package input reads what an operator hands over, of which nobody knows how large it is, or whether it ends.
//
// Promises:
//   - No more than was said is taken into memory: a device without end, or the wrong file, is refused in one sentence.
package input

import (
	"fmt"
	"io"
	"os"
)

// MaxSecret is how many bytes a file with a key, or with certificates, may have.
const MaxSecret = 1 << 20

// ReadFile reads a file of at most so many bytes.
func ReadFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, most)
}

// ReadAll reads to the end of at most so many bytes.
func ReadAll(r io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(text)) > most {
		return nil, fmt.Errorf("it has more than %d bytes", most)
	}
	return text, err
}
