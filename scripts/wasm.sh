#!/bin/sh
# Builds crates/web for browsers and prints the path of the .wasm file, alone, on stdout.
#
#   scripts/wasm.sh                         whichever tool chain this machine has
#   scripts/wasm.sh sim                     the simulator instead, to see that a run is the same in WebAssembly
#   BRAIDCAST_WASM=rustup scripts/wasm.sh   the pinned tool chain's own wasm32 target, or fail
#   BRAIDCAST_WASM=debian scripts/wasm.sh   Debian's rustc-web, cargo-web, rust-web-src and lld, or fail
#
# Debian ships no compiled standard library for this target, only its source: the second way builds std too (once, about a
# minute). It has a target folder of its own, so that the two compilers do not throw out each other's work.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
triple=wasm32-unknown-unknown
way=${BRAIDCAST_WASM:-auto}

has_rustup_target() {
    libdir=$(rustc --print target-libdir --target "$triple" 2>/dev/null) && ls "$libdir"/libcore-*.rlib >/dev/null 2>&1
}
has_debian() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -x /usr/bin/wasm-ld ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
}

if [ "$way" = auto ]; then
    if has_rustup_target; then way=rustup
    elif has_debian; then way=debian
    else
        echo "scripts/wasm.sh: no $triple target for rustc, and no rustc-web; run scripts/setup.sh" >&2
        exit 1
    fi
fi

# Panic messages carry file names: none of them should say whose machine built this.
locked=${CI:+--locked}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags="-C target-feature=+simd128 --remap-path-prefix=$root=. --remap-path-prefix=$cargo_home=cargo"

case ${1:-web} in
    web) build="build --package braidcast-web" file=web.wasm ;;
    live) build="build --package braidcast-web --features live" file=web.wasm ;;
    sim) build="rustc --package braidcast-sim --lib --crate-type cdylib" file=sim.wasm ;;
    *) echo "usage: scripts/wasm.sh [web|live|sim]" >&2; exit 2 ;;
esac

# shellcheck disable=SC2086  # `build` is a list of words
case $way in
    rustup)
        target_dir=${CARGO_TARGET_DIR:-$root/target}
        RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target_dir" \
            "${CARGO:-cargo}" $build $locked --profile wasm --target "$triple" >&2
        ;;
    debian)
        target_dir=${CARGO_TARGET_DIR:-$root/target}/wasm-debian
        RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target_dir" RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=/usr/bin/wasm-ld \
            /usr/bin/cargo $build $locked --profile wasm --target "$triple" \
            -Zbuild-std=std,panic_abort >&2
        ;;
    *)
        echo "scripts/wasm.sh: BRAIDCAST_WASM is '$way'; it may be auto, rustup or debian" >&2
        exit 2
        ;;
esac
echo "$target_dir/$triple/wasm/$file"
