package db

import (
	"database/sql"
	"database/sql/driver"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ID is a UUID version 7 (RFC 9562 §5.7) as 16 bytes: made in Go, the same on both engines, ordered by time. It says when
// it was made, so it is never a secret.
type ID [16]byte

// NewID makes an id.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// String writes the id as 26 lower-case characters that sort as the ids do.
func (id ID) String() string { return idText.EncodeToString(id[:]) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	b, err := idText.DecodeString(s)
	if err != nil || len(b) != len(ID{}) {
		return ID{}, fmt.Errorf("not an id: %.40q", s)
	}
	return ID(b), nil
}

// MarshalText lets logs and JSON show what String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// IsZero tells whether there is no id.
func (id ID) IsZero() bool { return id == ID{} }

// Value stores 16 bytes, or NULL for the zero id. (uuid.UUID would store text, and match no row.)
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id[:], nil
}

// Scan reads 16 bytes or NULL.
func (id *ID) Scan(v any) error {
	switch b := v.(type) {
	case nil:
		*id = ID{}
		return nil
	case []byte:
		if len(b) == len(id) {
			copy(id[:], b)
			return nil
		}
	}
	return fmt.Errorf("db: cannot read an id from %T", v)
}

type micro time.Time

// Micro is a moment as an argument: unix microseconds, NULL for the zero time.
func Micro(t time.Time) driver.Valuer { return micro(t) }

func (m micro) Value() (driver.Value, error) {
	t := time.Time(m)
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

type intoTime struct{ t *time.Time }

// IntoTime scans unix microseconds into t, in UTC; NULL becomes the zero time.
func IntoTime(t *time.Time) sql.Scanner { return intoTime{t} }

func (i intoTime) Scan(v any) error {
	switch n := v.(type) {
	case nil:
		*i.t = time.Time{}
	case int64:
		*i.t = time.UnixMicro(n).UTC()
	default:
		return fmt.Errorf("db: cannot read a time from %T", v)
	}
	return nil
}

// NullInt is an optional BIGINT as an argument: NULL for zero.
func NullInt(n int64) driver.Valuer { return sql.NullInt64{Int64: n, Valid: n != 0} }

type intoInt struct{ n *int64 }

// IntoInt scans an optional BIGINT; NULL becomes zero.
func IntoInt(n *int64) sql.Scanner { return intoInt{n} }

func (i intoInt) Scan(v any) error {
	var n sql.NullInt64
	err := n.Scan(v)
	*i.n = n.Int64
	return err
}

// IsNoRows tells whether a query found nothing.
func IsNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// Marks writes n parameters from $first on, for a list: "$2, $3, $4".
func Marks(first, n int) string {
	marks := make([]string, n)
	for i := range marks {
		marks[i] = "$" + strconv.Itoa(first+i)
	}
	return strings.Join(marks, ", ")
}

// Args makes arguments of values.
func Args[T any](values []T) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}

// Counts reads rows of a number and how many there are of it.
func Counts(rows *sql.Rows, err error) (map[int64]int64, error) {
	counts := map[int64]int64{}
	_, err = Collect(rows, err, func(row Scanner) (one struct{}, err error) {
		var id, n int64
		err = row.Scan(&id, &n)
		counts[id] = n
		return one, err
	})
	return counts, err
}
