# Packages that tests need, for the scripts beside this one to source.

say() { printf '\n== %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

# install PACKAGE…  through apt, as root or by sudo; says what to do where neither works.
install() {
	say "installing $*"
	local as=()
	if [ "$(id -u)" -ne 0 ]; then
		if ! has sudo; then
			echo "Missing: $*. Please install them, for example: apt-get install $*" >&2
			exit 1
		fi
		as=(sudo)
	fi
	if ! has apt-get; then
		echo "Missing: $*. Please install them with your system's package manager." >&2
		exit 1
	fi
	# Debian starts a service as soon as it is installed; the tests start their own, and only for as long as they run.
	local quiet=
	if ! [ -e /usr/sbin/policy-rc.d ]; then
		quiet=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' | "${as[@]}" tee $quiet >/dev/null
		"${as[@]}" chmod +x $quiet
	fi
	local status=0
	"${as[@]}" apt-get update -q </dev/null || status=$?
	[ "$status" -ne 0 ] || "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" </dev/null || status=$?
	[ -z "$quiet" ] || "${as[@]}" rm -f "$quiet"
	return "$status"
}

# want_browser gets Chromium, without its windows where the system has it so: the tests then take half the time.
want_browser() { (install chromium-headless-shell) || install chromium; }

left_out='' # what cannot be tried here, and why

# want_failover gets what a PostgreSQL pair with failover needs. Where it cannot be had that one test is left out.
want_failover() {
	local packages='patroni etcd-server python3-etcd'
	if has patroni && has etcd; then return; fi
	# shellcheck disable=SC2086 # one word per package
	if ! (install $packages); then
		left_out="the failover of PostgreSQL, since these packages cannot be had here: $packages"
		return
	fi
	# At the next start of this machine they would run.
	if has systemctl && [ -d /run/systemd/system ]; then
		$([ "$(id -u)" -eq 0 ] || echo sudo) systemctl disable --quiet etcd patroni || true
	fi
}
