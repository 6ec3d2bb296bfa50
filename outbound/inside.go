package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

var (
	// insideNets are what an operator may have programs in: loopback, private and shared networks (RFC 1918, 4193, 6598).
	insideNets = prefixes("127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 ::1/128 fc00::/7")
	// metadata of clouds is where secrets of machines are; these of its addresses are in networks that may be allowed.
	metadata = prefixes("fd00:ec2::254/128 fd20:ce::254/128 100.100.100.200/32")
	// neverNets are where no program of a store lives: this host, link-local with the metadata of most clouds, protocol assignments,
	// documentation, benchmarks, 6to4 relays, multicast and reserved (the registries of RFC 6890), and the IPv6 networks whose
	// addresses contain an IPv4 address that somebody else would connect to (NAT64, 6to4, Teredo).
	neverNets = prefixes(`0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
		224.0.0.0/4 240.0.0.0/4 ::/128 ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16
		fe80::/10 fec0::/10 ff00::/8`)
	// insideNames are what names end on that the internet does not know: RFC 6761, 6762 with its appendix G, 8375, and ICANN's
	// decision on internal.
	insideNames = []string{"localhost", "local", "internal", "localdomain", "home.arpa", "lan", "home", "corp", "private", "intranet"}
)

func prefixes(texts string) []netip.Prefix {
	var all []netip.Prefix
	for text := range strings.FieldsSeq(texts) {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// host refuses a host as somebody wrote it: an address, or a name that can only be inside.
func (r Rules) host(text string) error {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if strings.ContainsFunc(name, func(c rune) bool { return c > 0x7f }) { // as net/http does, before it looks the name up
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return &Refused{fmt.Sprintf("%q is no name of a host", text)}
		}
		name = strings.TrimSuffix(ascii, ".")
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return r.ip(ip)
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.Trim(last, "0123456789") == "" {
		return &Refused{fmt.Sprintf("%s is no address of a host", text)} // 2130706433, 127.1 and 0x7f.0.0.1 are this machine to some
	}
	if last == name || slices.ContainsFunc(insideNames, func(end string) bool { return name == end || strings.HasSuffix(name, "."+end) }) {
		return r.inside(text + " is a name inside of a private network")
	}
	return nil
}

// ip refuses an address that is not reached, written out or connected to.
func (r Rules) ip(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	in := func(net netip.Prefix) bool { return net.Contains(ip) }
	switch {
	case slices.ContainsFunc(insideNets, in) && !slices.ContainsFunc(metadata, in):
		return r.inside(ip.String() + " is a private address")
	case slices.ContainsFunc(slices.Concat(metadata, neverNets), in):
		return &Refused{fmt.Sprintf("%s is an address that nothing is sent to", ip)}
	}
	return nil
}

func (r Rules) inside(what string) error {
	if r.Inside {
		return nil
	}
	return &Refused{fmt.Sprintf("%s; use one that the internet knows, or allow it: rekey config set %s 1", what, r.Setting)}
}
