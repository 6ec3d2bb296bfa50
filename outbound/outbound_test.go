package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const setting = "webhooks/delivery/allow_private_addresses"

// What an address is: inside needs the operator's word, never has nobody's.
const never, inside, public = "never", "inside", "public"

var (
	strict  = Rules{Setting: setting}
	lenient = Rules{Plain: true, Inside: true, Setting: setting}
)

func TestPrivateAddressesAreRefused(t *testing.T) {
	for _, r := range []struct{ ip, kind, why string }{
		{"127.0.0.1", inside, "this machine"},
		{"127.8.9.10", inside, "all of 127/8 is this machine"},
		{"::1", inside, "this machine"},
		{"::ffff:127.0.0.1", inside, "an IPv4 address in IPv6 clothes"},
		{"10.0.0.1", inside, "RFC 1918"},
		{"172.16.0.1", inside, "RFC 1918"},
		{"172.31.255.255", inside, "RFC 1918"},
		{"192.168.1.1", inside, "RFC 1918"},
		{"100.64.0.1", inside, "shared by carriers, and by clouds for their own"},
		{"fd00::1", inside, "unique local"},
		{"169.254.169.254", never, "the metadata of clouds"},
		{"::ffff:169.254.169.254", never, "the same in IPv6 clothes"},
		{"fd00:ec2::254", never, "the same of Amazon by IPv6, in its private network"},
		{"fd20:ce::254", never, "the same of Google by IPv6"},
		{"100.100.100.200", never, "the same of Alibaba, in the shared network"},
		{"fe80::1", never, "link-local"},
		{"fe80::1%eth0", never, "link-local with a zone"},
		{"0.0.0.0", never, "is this machine on many systems"},
		{"::", never, "is this machine on many systems"},
		{"::7f00:1", never, "IPv4-compatible, long deprecated"},
		{"64:ff9b::7f00:1", never, "NAT64 of 127.0.0.1"},
		{"64:ff9b:1::a00:1", never, "NAT64 of an operator, of 10.0.0.1"},
		{"2002:7f00:1::", never, "6to4 of 127.0.0.1"},
		{"2001:0:7f00:1::", never, "Teredo"},
		{"224.0.0.1", never, "multicast"},
		{"255.255.255.255", never, "broadcast"},
		{"ff02::1", never, "multicast"},
		{"192.0.2.1", never, "documentation"},
		{"8.8.8.8", public, "an ordinary address"},
		{"172.32.0.1", public, "just outside RFC 1918"},
		{"2606:4700::1111", public, "an ordinary address"},
	} {
		ip := netip.MustParseAddr(r.ip)
		judge(t, r.ip+", connected to", r.why, r.kind, func(rules Rules) error { return rules.ip(ip) })
		if ip.Is6() {
			r.ip = "[" + strings.ReplaceAll(r.ip, "%", "%25") + "]"
		}
		judge(t, r.ip+", given", r.why, r.kind, func(rules Rules) error { return rules.Check("https://" + r.ip + ":8443/") })
	}
}

func TestNamesThatCanOnlyBeInsideAreRefused(t *testing.T) {
	for _, r := range []struct{ host, kind, why string }{
		{"erp.example", public, "an ordinary name"},
		{"hooks.erp.example.", public, "with the dot of the root"},
		{"bücher.example", public, "an international name"},
		{"local.example", public, "the words stand elsewhere"},
		{"mylocalhost.example", public, "the same"},
		{"1.example", public, "digits, but not at the end"},
		{"localhost", inside, "this machine"},
		{"LOCALHOST.", inside, "in other letters, with the dot of the root"},
		{"app.localhost", inside, "below it (RFC 6761)"},
		{"localhost。", inside, "with a full stop that browsers and net/http take for a dot"},
		{"erp", inside, "a bare name"},
		{"printer.local", inside, "mDNS"},
		{"metadata.google.internal", inside, "the name of the metadata, which its address refuses always"},
		{"db.lan", inside, "RFC 6762, appendix G"},
		{"box.home.arpa", inside, "RFC 8375"},
		{"2130706433", never, "127.0.0.1 as one number"},
		{"127.1", never, "the same with two"},
		{"0x7f.0.0.1", never, "in hexadecimal"},
		{"0177.0.0.1", never, "in octal"},
		{"0x7f000001", never, "one number in hexadecimal"},
		{"１２７.0.0.1", inside, "in broad digits"},
	} {
		judge(t, r.host, r.why, r.kind, func(rules Rules) error { return rules.Check("https://" + r.host + "/rekey") })
	}
}

// judge asks by strict and by lenient rules. A refusal of what may be allowed says how.
func judge(t *testing.T, what, why, kind string, ask func(Rules) error) {
	t.Helper()
	err := ask(strict)
	if (err == nil) != (kind == public) {
		t.Errorf("%s (%s): %v", what, why, err)
	}
	if kind == inside && (err == nil || !strings.Contains(err.Error(), "rekey config set "+setting+" 1")) {
		t.Errorf("%s (%s): %v does not say how it may be allowed", what, why, err)
	}
	if err := ask(lenient); (err == nil) != (kind != never) {
		t.Errorf("%s (%s), where addresses inside are allowed: %v", what, why, err)
	}
}

func TestAnAddressIsRefusedInWords(t *testing.T) {
	for _, r := range []struct {
		address, says string
		rules         Rules
	}{
		{"", "must be a URL", lenient},
		{"erp.example/rekey", "must be a URL", lenient},
		{"ftp://erp.example", "https://", lenient},
		{"file:///etc/passwd", "must be a URL", lenient},
		{"com.example.app:/logout", "must be a URL", lenient},
		{"https:///rekey", "must be a URL", lenient},
		{"https://erp.example/a b", "must be a URL", lenient},
		{"https://erp.example/" + strings.Repeat("x", maxAddress), "must be a URL", lenient},
		{"http://erp.example", "--dev", strict},
		{"https://user:pass@erp.example", "user name", lenient},
		{"https://erp.example/#x", "#", lenient},
		{"https://erp.example/#", "#", lenient},
		{"https://erp.example/hook?key=1", "", Rules{}},
		{"http://10.0.0.5/hook", "", lenient},
	} {
		err := r.rules.Check(r.address)
		if r.says == "" && err != nil || r.says != "" && (err == nil || !strings.Contains(err.Error(), r.says)) {
			t.Errorf("%q: %v, want %q", r.address, err, r.says)
		}
	}
}

// What was given is no promise: the server below is there, has a name that resolves to it, and is not reached.
func TestWhatANameTurnsOutToBeIsJudgedAtTheConnection(t *testing.T) {
	reached := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		var refused *Refused
		if _, err := strict.Client(time.Minute, nil).Get("http://" + host + port); !errors.As(err, &refused) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if reached != 0 {
		t.Fatalf("an address inside was reached %d times", reached)
	}
	answer, err := lenient.Client(time.Minute, nil).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusTemporaryRedirect || reached != 1 {
		t.Errorf("where it is allowed: %d after %d requests", answer.StatusCode, reached)
	}
}
