package demo

import (
	"net"
	"testing"
)

func TestADemoNeedsNoPortOfItsOwn(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	usual := taken.Addr().String()
	for asked, want := range map[string]string{
		"":    freePort,
		usual: usual, // who names an address is told that it is taken
	} {
		if got := listenOn(asked, usual); got != want {
			t.Errorf("asked for %q, it listens on %s, want %s", asked, got, want)
		}
	}
}
