package audit

import (
	"net/netip"
	"strconv"
	"strings"
)

// Origin is where a request came from.
type Origin struct {
	IP        netip.Addr // of the client, behind trusted proxies only
	UserAgent string     // as sent; never stored as it is
}

// Place says roughly where from: enough to recognise oneself, not enough to find somebody.
func (o Origin) Place() string {
	ip := o.IP.Unmap()
	switch {
	case !ip.IsValid():
		return ""
	case ip.Is4():
		b := ip.As4()
		return strconv.Itoa(int(b[0])) + "." + strconv.Itoa(int(b[1])) + "." + strconv.Itoa(int(b[2])) + ".x"
	}
	p, err := ip.WithZone("").Prefix(48)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(p.Addr().String(), "::") + ":x"
}

func (o Origin) address() string {
	if !o.IP.IsValid() {
		return ""
	}
	return o.IP.Unmap().WithZone("").String()
}

// browsers are known by a mark in the header, the first that is found. lang says in every language what has no name of its own.
var browsers = []struct{ mark, name string }{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	{"curl/", "curl"}, {"PostmanRuntime/", "Postman"}, {"okhttp/", "an Android app"}, {"CFNetwork/", "an Apple app"},
	{"Go-http-client/", "a Go program"}, {"python-requests/", "a Python program"}, {"node", "a Node.js program"},
	{"axios/", "a Node.js program"},
}

// Browser names the browser and the system in a few known words. Whatever is not known is not repeated: the header is
// written by the client, and these words stand in letters and on the store's pages.
func (o Origin) Browser() string {
	ua := o.UserAgent
	name := ""
	for _, b := range browsers {
		if strings.Contains(ua, b.mark) {
			name = b.name
			break
		}
	}
	system := ""
	for _, s := range []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "Mac"}, {"Linux", "Linux"},
	} {
		if strings.Contains(ua, s.mark) {
			system = s.name
			break
		}
	}
	switch {
	case name == "" && system == "":
		return ""
	case system == "":
		return name
	case name == "":
		return system
	}
	return name + " on " + system
}
