package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/fault"
)

// A form's refusals travel together; one internal error among them makes the whole internal, so that no half truth is shown.
func TestRefusalsAreListedUnlessSomethingInternalIsAmongThem(t *testing.T) {
	a, b := fault.Refuse("email", "x", "A.", nil), fault.Refuse("password", "y", "B.", nil)
	for _, row := range []struct {
		err  error
		want int
		why  string
	}{
		{nil, 0, "nothing"}, {a, 1, "one"}, {errors.Join(a, nil, b), 2, "joined"}, {fmt.Errorf("saving: %w", a), 1, "wrapped"},
		{errors.Join(a, errors.Join(b, a)), 3, "nested"}, {errors.Join(a, errors.New("disk")), 0, "an internal one among them"},
		{errors.New("disk"), 0, "internal"},
	} {
		if got := fault.List(row.err); len(got) != row.want {
			t.Errorf("%s: %d", row.why, len(got))
		}
	}
}

func TestKindsAreFoundThroughWrapping(t *testing.T) {
	at := time.Now()
	err := fmt.Errorf("asking: %w", fault.Until("limit", "Later.", at))
	if e, ok := fault.As(err); !ok || !e.RetryAt.Equal(at) || !fault.Is(err, fault.Limited) {
		t.Errorf("%v", err)
	}
	if fault.KindOf(errors.New("disk")) != fault.Internal || fault.Is(nil, fault.Internal) {
		t.Error("only an error that is no fault is internal")
	}
}
