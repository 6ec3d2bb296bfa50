package mailbox

import (
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/web/webtest"
)

// The mailbox shows letters from anywhere, for developers. Its own pages are as guarded as the house's; a letter's frame may
// use the letter's own inline style and is a stranger to everything else.
func TestEveryRouteIsGuarded(t *testing.T) {
	b := open(t)
	l := deliver(t, b, "camille@shop.example", "Hello")
	door := webtest.Door{
		Base: "http://127.0.0.1:8025", Handler: b.Handler(),
		Fill:   func(string) []string { return []string{l.ID, "nobody"} },
		Policy: contentPolicy,
		Foreign: func(path string) string {
			if strings.HasSuffix(path, "/frame") {
				return framePolicy
			}
			return ""
		},
	}
	for pattern := range b.routes() {
		method, path, _ := strings.Cut(pattern, " ")
		door.Routes = append(door.Routes, webtest.Route{Method: method, Path: path})
	}
	door.Judge(t)
}
