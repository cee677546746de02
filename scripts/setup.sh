#!/bin/sh
# Installs what this machine lacks, and nothing it has. Run it as often as you like.
#
#   scripts/setup.sh demo    what `make demo` needs: ffmpeg, Chromium, a way to build WebAssembly, npm packages
#   scripts/setup.sh test    that, and what `make test` needs besides: mpv, xmllint, coturn, nats-server, pebble, iproute2, libfaketime,
#                            Python's cryptography, the test packages
#
# Rust (1.95 or newer) and Node (18 or newer, with npm) must be there. Debian and Ubuntu packages are installed with apt, as
# root or through sudo. On another system it says what to install and stops.
set -eu
cd "$(dirname "$0")/.."
what=${1:-demo}
case $what in demo | test) ;; *) echo "usage: scripts/setup.sh [demo|test]" >&2; exit 2 ;; esac

say() { printf '  %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || die "Rust is missing: https://rustup.rs"
have node || die "Node is missing: https://nodejs.org (18 or newer) or 'apt install nodejs npm'"
have npm || die "npm is missing: it comes with Node, or 'apt install npm'"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' ||
    die "Node $(node --version) is too old: 18 or newer is needed"

# --- system packages ---------------------------------------------------------------------------------------------------

packages=""
want() { have "$1" || packages="$packages $2"; }
want ffmpeg ffmpeg
want cc gcc
want make make
have chromium || have chromium-browser || have google-chrome || [ -n "${CHROMIUM:-}" ] || packages="$packages chromium"
if [ "$what" = test ]; then
    want mpv mpv
    want xmllint libxml2-utils
    want turnserver coturn
    want nats-server nats-server
    want pebble pebble
    want ip iproute2
    # Debian's folder for libraries has the machine's name in it.
    ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || [ -n "${LIBFAKETIME:-}" ] || packages="$packages libfaketime"
    # The one in the path may be another than the system's; any that has the package will do.
    for python in python3 /usr/bin/python3 none; do
        "$python" -c 'import cryptography' 2>/dev/null && break
    done
    [ "$python" != none ] || packages="$packages python3-cryptography"
fi

# The rustup tool chain gets the browser's target from rustup; where that cannot be had, Debian's compiler for it will do.
triple=wasm32-unknown-unknown
has_wasm() {
    libdir=$(rustc --print target-libdir --target $triple 2>/dev/null) && ls "$libdir"/libcore-*.rlib >/dev/null 2>&1
}
has_debian_wasm() {
    [ -x /usr/bin/wasm-ld ] && [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
}
if [ "${BRAIDCAST_WASM:-auto}" = debian ] || { ! has_wasm && ! has_debian_wasm; }; then
    if [ "${BRAIDCAST_WASM:-auto}" != debian ] && have rustup; then
        say "adding the $triple target to the Rust tool chain"
        rustup target add $triple || say "rustup cannot fetch it: taking Debian's compiler instead"
    fi
    if [ "${BRAIDCAST_WASM:-auto}" = debian ] || ! has_wasm; then
        has_debian_wasm || packages="$packages rustc-web cargo-web rust-web-src lld"
    fi
fi

if [ -n "$packages" ]; then
    have apt-get || die "please install with your system's package manager:$packages"
    if [ "$(id -u)" = 0 ]; then as_root=""
    elif have sudo; then as_root=sudo
    else die "these packages are missing, and neither root nor sudo is at hand:$packages"
    fi
    say "installing with apt:$packages"
    # A desktop that knows no sudo password prompt (no terminal) gets a clear failure from sudo itself.
    $as_root apt-get update -qq || die "apt-get update failed"
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
        die "apt-get could not install:$packages"
fi
has_wasm || has_debian_wasm || die "no way to build WebAssembly: neither 'rustup target add $triple' nor Debian's rustc-web"

# --- npm packages ------------------------------------------------------------------------------------------------------

# packages_of FOLDER all|part [npm arguments]: a folder's packages are those of its lock file, or they are installed again.
packages_of() {
    dir=$1 share=$2
    shift 2
    stamp=$dir/node_modules/.installed
    lock=$(cksum <"$dir/package-lock.json")
    # Everything does where a part is asked for.
    for good in "all $lock" "$share $lock"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$good" ]; then return 0; fi
    done
    say "npm packages of $dir"
    (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error "$@") || die "npm ci failed in $dir"
    printf '%s' "$share $lock" >"$stamp"
}
packages_of player all
if [ "$what" = test ]; then
    packages_of e2e all --ignore-scripts
else
    packages_of e2e part --ignore-scripts --omit=dev
fi
